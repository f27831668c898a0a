package gradsync

import (
	"context"
	"math"
	"ringloom/allreduce"
	"ringloom/timeline"
)

// Wait returns when all sums stand in the gradient memory: all of them, or where the optimizer is sharded, what this rank
// owns. A LossError is the same on all ranks, and the ring is then still whole.
func (s *Sync) Wait(ctx context.Context) error {
	s.enter(wait)
	bad, err := s.reports.wait(ctx)
	s.clock.Charge(timeline.Wait, -1)
	if err != nil {
		return err
	}
	s.clock.Collective(timeline.FiniteCheck, -1, 0, s.reports.pending)
	if bad != nil {
		// This rank plays its part in the collectives under way, so that no neighbour takes its end for the cause.
		for _, p := range s.sums {
			_ = p.Wait(ctx) // the step is lost already
		}
		return bad
	}
	if err := s.exchangeFactors(ctx); err != nil {
		return err
	}
	for b := range s.plan {
		if err := s.arrive(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// exchangeFactors waits for the first factor of each compressed bucket and sends the second.
func (s *Sync) exchangeFactors(ctx context.Context) error {
	for b := range s.plan {
		f := s.factors.matrix(b, s.step)
		if f == nil {
			continue
		}
		err := s.sums[b].Wait(ctx)
		s.clock.Charge(timeline.Wait, b)
		if err != nil {
			return err
		}
		s.clock.Collective(timeline.Comm, b, 4*int64(len(f.p)), s.sums[b])
		if err := f.backProject(); err != nil {
			return err
		}
		s.sums[b] = s.ring.StartAllReduce(f.q, allreduce.Sum{Bucket: b})
		s.clock.Charge(timeline.Optimizer, b)
	}
	return nil
}

// arrive waits for a bucket's sum and brings it to where the optimizer needs it.
func (s *Sync) arrive(ctx context.Context, b int) error {
	err := s.sums[b].Wait(ctx)
	s.clock.Charge(timeline.Wait, b)
	if err != nil {
		return err
	}
	f := s.factors.matrix(b, s.step)
	s.arrived[b] = true
	if f != nil {
		s.clock.Collective(timeline.Return, b, 4*int64(len(f.q)), s.sums[b])
		f.expand(s.share)
	} else {
		s.clock.Collective(timeline.Comm, b, 4*int64(s.plan[b].Len()), s.sums[b])
	}
	if err := s.copies.back(b); err != nil {
		return err
	}
	if err := s.norm.add(b); err != nil {
		return err
	}
	if f != nil || s.copies != nil || s.norm != nil {
		s.clock.Charge(timeline.Optimizer, b)
	}
	return nil
}

// Norm is the L2 norm of the whole gradient, the same on all ranks; it may be infinite or NaN. Config.Norm must be set.
func (s *Sync) Norm(ctx context.Context) (float64, error) {
	s.enter(norm)
	squares, err := s.norm.total()
	if err != nil {
		return 0, err
	}
	s.clock.Charge(timeline.Optimizer, -1)
	if s.exchange != nil {
		squares, err = s.exchange.total(ctx, squares)
		s.clock.Charge(timeline.Wait, -1)
	}
	return math.Sqrt(squares), err
}
