package gradsync

import (
	"context"
	"errors"
	"slices"

	"ringloom/allreduce"
	"ringloom/nn/op"
	"ringloom/train/optim"
)

// Rebind goes on in another view of the cluster: c differs from the configuration before in Rank and WorldSize alone, and ring is that
// view's. It comes between Wait, Commit, Abort or New, and the next Begin; a step that has failed before it was applied is still held, for Follow or
// Abort. What this rank remembers stays. Where the optimizer is sharded, this rank still has its part of the world before: Reshard and Settle follow.
func (s *Sync) Rebind(c Config, ring *allreduce.Group) {
	s.cfg, s.ring = c, ring
	s.reports = newReports(ring, c.WorldSize)
	if s.exchange != nil {
		s.exchange = newNormExchange(ring, c, len(s.plan)+1)
	}
}

// Take gives every rank the optimizer's memory and PowerSGD's factors of one rank of the view, behind the last committed step of the run.
// Those who have them already take part, and with need false keep their own. Nothing that this rank has changes before load, which is to be
// called when all of the other rank's state is here. Where the optimizer is sharded no rank has all of its memory: then Take brings the
// factors alone, and Reshard the rest.
func (s *Sync) Take(ctx context.Context, source int, need bool) (load func() error, err error) {
	var memory [][]float32
	if !s.cfg.Shard {
		for i := range optim.Kinds(s.cfg.Optimizer.Method) {
			values := s.params.Grads.Host // the gradients' memory is free to carry what nobody needs here
			if need {
				values = make([]float32, s.params.Len())
			}
			if s.cfg.Rank == source {
				if err := s.opt.Store(values, i); err != nil {
					return nil, err
				}
			}
			if err := s.ring.Broadcast(ctx, values, source); err != nil {
				return nil, err
			}
			memory = append(memory, values)
		}
	}
	q := slices.Clone(s.factors.factors())
	if len(q) > 0 {
		if err := s.ring.Broadcast(ctx, q, source); err != nil {
			return nil, err
		}
	}
	return func() error {
		if !need {
			return nil
		}
		copy(s.factors.factors(), q)
		for i, values := range memory {
			if err := s.opt.Load(i, values); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// Follow takes the place of Commit where that, or Wait, has failed here and another rank has committed the step. What this rank alone
// remembers is complete by itself, because that other rank cannot have had every sum before this one had sent its part of each. Without
// shards, parameters, the optimizer's memory and PowerSGD's factors have come from the other rank (Take); with them this rank has all that it
// needs to update its own part, for the other one did not apply anything before.
func (s *Sync) Follow() error {
	if s.cfg.Shard && !s.decided {
		return errors.New("gradsync: another rank has applied a step of which this one does not have all sums")
	}
	s.enter(follow)
	for b := range s.plan {
		if f := s.factors.matrix(b, s.step); f != nil && !s.arrived[b] {
			f.expand(s.share)
		}
	}
	if s.cfg.Shard {
		return s.apply(nil)
	}
	s.residuals.commit()
	s.factors.commit()
	return nil
}

// ErrShardLost is wrapped where a rank and the one that mirrors its part were lost at once.
var ErrShardLost = errors.New("a part of the optimizer's memory is lost with the two ranks that had it")

// Reshard brings parameters and the optimizer's memory from the parts that the ranks of a former world have to those of this one. seats has,
// by rank of this view, the seat in the former world, a rank of -1 for one that had none; all are behind the same step. Nothing of the former
// parts is given up before Settle. It must be called on all ranks, and blocks for them.
func (s *Sync) Reshard(ctx context.Context, former int, seats []int) error {
	kinds := optim.Kinds(s.cfg.Optimizer.Method)
	whole := make([][]float32, len(kinds))
	for i := range whole {
		whole[i] = make([]float32, s.params.Len())
	}
	if err := op.Pull(s.device, s.params.Values); err != nil {
		return err
	}
	old := s.ring.Config()
	old.WorldSize, old.Alone = former, former == 1
	for rank := range former {
		source, mirrored := slices.Index(seats, rank), false
		if source < 0 {
			source, mirrored = slices.Index(seats, (rank+1)%former), true
		}
		if source < 0 || mirrored && former == 1 {
			return ErrShardLost
		}
		owned := s.plan.owned(s.cfg, old, rank)
		parcel := make([]float32, (1+len(kinds))*owned.Len)
		if source == s.cfg.Rank {
			from := s.opt
			if mirrored {
				from = s.mirror
			}
			if err := s.pack(parcel, from, owned); err != nil {
				return err
			}
		}
		if err := s.ring.Broadcast(ctx, parcel, source); err != nil {
			return err
		}
		s.unpack(parcel, owned, whole)
	}
	if err := op.Push(s.device, s.params.Values); err != nil {
		return err
	}
	s.settling = whole
	return nil
}

// pack puts the regions' values, from the host's memory, and what from remembers of them into a parcel, one after the other.
func (s *Sync) pack(parcel []float32, from *optim.Optimizer, owned optim.Ownership) error {
	owned.Each(func(r optim.Region) { copy(parcel[r.At:], s.params.Values.Host[r.From:r.To]) })
	for i := range optim.Kinds(s.cfg.Optimizer.Method) {
		kept, err := from.Kept(i)
		if err != nil {
			return err
		}
		copy(parcel[(1+i)*owned.Len:], kept)
	}
	return nil
}

// unpack puts a parcel's content into its place.
func (s *Sync) unpack(parcel []float32, owned optim.Ownership, whole [][]float32) {
	owned.Each(func(r optim.Region) {
		n := r.To - r.From
		copy(s.params.Values.Host[r.From:r.To], parcel[r.At:r.At+n])
		for i := range whole {
			at := (1+i)*owned.Len + r.At
			copy(whole[i][r.From:r.To], parcel[at:at+n])
		}
	})
}

// Settle gives up this rank's part of the former world for that of this one, which Reshard has brought. Every rank must have them before.
func (s *Sync) Settle() error {
	whole := s.settling
	if whole == nil {
		return nil
	}
	s.settling = nil
	if err := s.own(s.ring.Config()); err != nil {
		return err
	}
	for i, memory := range whole {
		if err := s.opt.Load(i, memory); err != nil {
			return err
		}
		if s.mirror != nil {
			if err := s.mirror.Load(i, memory); err != nil {
				return err
			}
		}
	}
	return nil
}

// Forget drops the step that is held, if any, and what this rank has yet to add to the sums of gradients.
func (s *Sync) Forget() {
	s.Abort()
	if s.residuals != nil {
		s.residuals.load(make([]float32, s.params.Len()))
	}
}

// Holds says whether a step is held that has failed before it was applied: it is to be followed or aborted.
func (s *Sync) Holds() bool { return s.phase == summed }
