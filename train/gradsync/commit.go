package gradsync

import (
	"context"
	"ringloom/nn/op"
	"ringloom/timeline"
	"ringloom/train/optim"
)

// Commit applies the sums, multiplied by scale, at a learning rate. Behind it every rank has the same parameters. Where the optimizer is
// mirrored, nothing is applied anywhere before every rank has all that it needs for its part, and the step is held (Holds) where that does
// not come about. Another error comes behind this rank's part: the parameters that others update may not have come, and without a mirror the
// rank cannot go on.
func (s *Sync) Commit(ctx context.Context, rate, scale float64) error {
	s.rate, s.scale, s.decided = rate, scale, true
	if s.cfg.mirrors() {
		err := s.ring.Barrier(ctx)
		s.clock.Charge(timeline.Wait, -1)
		if err != nil {
			return err
		}
	}
	s.enter(commit)
	if err := s.apply(s.startGather); err != nil {
		return err
	}
	s.clock.Charge(timeline.Optimizer, -1)
	if s.cfg.Shard {
		return s.gather(ctx)
	}
	return nil
}

// apply updates this rank's part of the parameters, and what it mirrors, and takes over what the step has left. gather is called behind
// each bucket where the optimizer is sharded; it may be nil.
func (s *Sync) apply(gather func(bucket int) error) error {
	for _, o := range []*optim.Optimizer{s.opt, s.mirror} {
		if o == nil {
			continue
		}
		if err := o.Begin(s.step, s.rate, s.scale); err != nil {
			return err
		}
	}
	for b := range s.plan {
		if err := s.opt.Update(b); err != nil {
			return err
		}
		if s.mirror != nil { // before the other rank's values come, which are the same
			if err := s.mirror.Update(b); err != nil {
				return err
			}
		}
		if s.cfg.Shard && gather != nil {
			if err := gather(b); err != nil {
				return err
			}
		}
	}
	s.residuals.commit()
	s.factors.commit()
	return nil
}

// startGather hands what this rank has updated of a bucket to the others.
func (s *Sync) startGather(b int) error {
	for _, r := range s.opt.Owned().Regions[b] {
		if err := op.Pull(s.device, s.params.Values.Slice(r.From, r.To-r.From)); err != nil {
			return err
		}
	}
	s.gathers[b] = s.ring.StartAllGather(s.plan[b].slice(s.params.Values.Host), b)
	return nil
}

// gather waits until the parameters that other ranks have updated are here.
func (s *Sync) gather(ctx context.Context) error {
	for b, p := range s.gathers {
		err := p.Wait(ctx)
		s.clock.Charge(timeline.Wait, b)
		if err != nil {
			return err
		}
		s.clock.Collective(timeline.Return, b, 4*int64(s.plan[b].Len()), p)
		if err := op.Push(s.device, s.plan[b].of(s.params.Values)); err != nil {
			return err
		}
	}
	return nil
}

// Abort drops the step: what it has left in residuals and factors is forgotten. Collectives must not be under way, so it
// comes before the first Ready, behind Wait, or where the group has ended.
func (s *Sync) Abort() {
	s.enter(abort)
	s.residuals.abort()
	s.factors.abort()
}
