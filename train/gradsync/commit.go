package gradsync

import (
	"context"
	"ringloom/nn/op"
	"ringloom/timeline"
)

// Commit applies the sums, multiplied by scale, at a learning rate. Behind it every rank has the same parameters. An error
// leaves them in between: the rank cannot go on.
func (s *Sync) Commit(ctx context.Context, rate, scale float64) error {
	s.enter(commit)
	if err := s.opt.Begin(s.step, rate, scale); err != nil {
		return err
	}
	for b := range s.plan {
		if err := s.opt.Update(b); err != nil {
			return err
		}
		if s.cfg.Shard {
			if err := s.startGather(b); err != nil {
				return err
			}
		}
	}
	s.residuals.commit()
	s.factors.commit()
	s.clock.Charge(timeline.Optimizer, -1)
	if s.cfg.Shard {
		return s.gather(ctx)
	}
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
