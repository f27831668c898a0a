package gradsync

import (
	"context"
	"slices"

	"ringloom/allreduce"
	"ringloom/train/optim"
)

// Rebind goes on in another view of the cluster: c differs from the configuration before in Rank and WorldSize alone, and ring is that
// view's. It comes between Wait, Abort or New, and the next Begin; a step that has failed in Wait is still held, for Follow or Abort. What
// this rank remembers stays. Where the optimizer is sharded, Spread or Take must follow: the rank owns other parts.
func (s *Sync) Rebind(c Config, ring *allreduce.Group) error {
	s.cfg, s.ring = c, ring
	s.reports = newReports(ring, c.WorldSize)
	if s.exchange != nil {
		s.exchange = newNormExchange(ring, c, len(s.plan)+1)
	}
	if !c.Shard {
		return nil
	}
	owned := s.plan.owned(c, ring)
	var err error
	if s.opt, err = optim.New(c.Optimizer, s.device, s.params, owned); err != nil {
		return err
	}
	if c.Norm {
		s.norm, err = newSquaredNorm(s.device, s.params, owned)
	}
	return err
}

// Take gives every rank the optimizer's memory and PowerSGD's factors of one rank of the view, behind the last committed step of the run.
// Those who have them already take part, and with need false keep their own. The gradients' memory carries it.
func (s *Sync) Take(ctx context.Context, source int, need bool) error {
	carrier := s.params.Grads.Host
	for i := range optim.Kinds(s.cfg.Optimizer.Method) {
		if s.cfg.Rank == source {
			if err := s.opt.Store(carrier, i); err != nil {
				return err
			}
		}
		if err := s.ring.Broadcast(ctx, carrier, source); err != nil {
			return err
		}
		if need {
			if err := s.opt.Load(i, carrier); err != nil {
				return err
			}
		}
	}
	if s.factors == nil {
		return nil
	}
	q := s.factors.q
	if !need {
		q = slices.Clone(q)
	}
	return s.ring.Broadcast(ctx, q, source)
}

// Follow takes the place of Commit where Wait has failed here, and another rank has committed the step: parameters, the optimizer's memory
// and PowerSGD's factors have come from it (Take). What this rank alone remembers is complete by itself, because that other rank cannot have
// had every sum before this one had sent its part of each.
func (s *Sync) Follow() {
	s.enter(follow)
	for b := range s.plan {
		if f := s.factors.matrix(b, s.step); f != nil && !s.arrived[b] {
			f.expand(s.share)
		}
	}
	s.residuals.commit()
	s.factors.commit()
}

// Forget drops the step that is held, if any, and what this rank has yet to add to the sums of gradients.
func (s *Sync) Forget() {
	s.Abort()
	if s.residuals != nil {
		s.residuals.load(make([]float32, s.params.Len()))
	}
}

// Holds says whether a step is held whose Wait has failed: it is to be followed or aborted.
func (s *Sync) Holds() bool { return s.phase == summed }
