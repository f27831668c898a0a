package step

import (
	"context"
	"fmt"
	"ringloom/nn/op"
	"slices"
	"time"
)

// roundSteps are timed at once on an accelerator.
const roundSteps = 20

// measureRounds is measure for an accelerator. Each step's loss is waited for, as in training, and then the next step
// is queued while this one's backward pass runs. A round ends when everything is computed.
func (s *stepper) measureRounds(ctx context.Context, r *Result) (seconds []float64, err error) {
	if err := s.drain(); err != nil {
		return nil, err
	}
	for begin := time.Now(); r.Steps < s.MinSteps || time.Since(begin) < s.Duration; {
		steps := roundSteps
		if s.Duration == 0 {
			steps = min(steps, s.MinSteps)
		}
		roundBegin := time.Now()
		for range steps {
			if err := s.step(ctx, r); err != nil {
				return nil, err
			}
		}
		if err := s.drain(); err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(roundBegin).Seconds()/float64(steps))
		r.Steps, r.RoundSteps = r.Steps+steps, steps
	}
	traced, err := s.acc.Trace(func() error { return s.step(ctx, r) })
	if err != nil {
		return nil, fmt.Errorf("timing kernels one by one: %w", err)
	}
	r.Traced, r.Ops = true, tracedOps(traced)
	return seconds, nil
}

// drain waits until the accelerator has done everything.
func (s *stepper) drain() error {
	mark, err := s.acc.Mark()
	if err != nil {
		return err
	}
	_, err = mark.Since(mark)
	return err
}

// tracedOps are the operations of a traced step. Kernels that follow each other for equal operations belong to one,
// until a name comes again.
func tracedOps(traced []op.Traced) []Op {
	var ops []Op
	var last op.Spec
	for _, t := range traced {
		if t.Spec == nil {
			ops = append(ops, Op{Kind: t.Name, Count: 1, Seconds: t.Time.Seconds()})
			last = nil
			continue
		}
		if n := len(ops); t.Spec == last && !slices.Contains(ops[n-1].Kernels, t.Name) {
			ops[n-1].Seconds += t.Time.Seconds()
			ops[n-1].Kernels = append(ops[n-1].Kernels, t.Name)
			continue
		}
		ops = append(ops, Op{
			Kind: t.Spec.Kind(), Geometry: t.Spec.String(), Count: 1, Seconds: t.Time.Seconds(), FLOPs: op.FLOPs(t.Spec),
			Kernels: []string{t.Name},
		})
		last = t.Spec
	}
	return ops
}
