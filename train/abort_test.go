package train

import (
	"context"
	"errors"
	"testing"

	"ringloom/allreduce"
	"ringloom/data"
)

// dropper takes a rank's steps up to a point, drops them, and takes them again.
type dropper struct {
	*Worker
	until int // verbs that are reached before the step is dropped: 1 the passes and the sums, 2 the norm
}

// twice is what a step goes through that is dropped and taken again.
func (d dropper) twice(ctx context.Context, at place, batch *data.Batch) error {
	if _, err := d.passes(ctx, at, batch); err != nil {
		return err
	}
	if err := d.grads.Wait(ctx); err != nil {
		return err
	}
	if d.until > 1 {
		if _, err := d.clip(ctx); err != nil {
			return err
		}
	}
	if err := d.abort(nil); err != nil {
		return err
	}
	_, err := d.step(ctx, at, batch)
	return err
}

// A step that is dropped behind its sums leaves nothing: taken again it ends with the bits of one that went through, with
// every option that remembers something from one step to the next, on both kinds of device.
func TestADroppedStepLeavesNothing(t *testing.T) {
	feedback := denseConfig()
	feedback.Wire = "int8"
	shards := feedback
	shards.ShardOptimizer, shards.ClipNorm = true, 0.1
	factors := denseConfig()
	factors.PowerSGD, factors.PowerSGDStart, factors.Wire, factors.ErrorFeedback = 2, 2, "bf16", "on"
	moments := normConfig()
	moments.Accumulate = 2
	shared := moments
	shared.SyncBatchNorm = true
	for name, cfg := range map[string]Config{
		"plain": testConfig(), "int8": feedback, "sharded int8, clipped": shards, "powersgd, bf16": factors,
		"batch norm": moments, "shared batch norm": shared,
	} {
		t.Run(name, func(t *testing.T) {
			for _, devices := range []fleet{hosts, accelerators} {
				var want []outcome
				for _, drop := range []bool{false, true} {
					got := takeSteps(t, cfg, devices, func(ctx context.Context, w *Worker, at place, batch *data.Batch) error {
						if !drop {
							_, err := w.step(ctx, at, batch)
							return err
						}
						until := 1
						if cfg.ClipNorm > 0 {
							until = 1 + at.step%2
						}
						return dropper{w, until}.twice(ctx, at, batch)
					})
					if want == nil {
						want = got
					}
					sameOutcome(t, got, want)
				}
			}
		})
	}
}

// takeSteps lets two ranks take five steps, with -short three, and returns what they end with.
func takeSteps(t *testing.T, cfg Config, devices fleet, take func(context.Context, *Worker, place, *data.Batch) error) []outcome {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "test", 1, 2
	cfg.MaxSteps = 1 // Run takes the first, and leaves the parameters that both start from
	out, errs := trainFleetThen(t, ring, cfg, specOf(t, cfg.Model), devices, func(w *Worker) error {
		w.clock.restart(&Timing{})
		if err := w.ownMoments(); err != nil {
			return err
		}
		steps := 5
		if testing.Short() {
			steps = 3 // the least in which PowerSGD has begun and has taken over what the step before left
		}
		for step := 1; step <= steps; step++ {
			batch, err := w.batchOf(t.Context(), step)
			if err != nil {
				return err
			}
			if err := take(t.Context(), w, place{1, step, w.sampler.GlobalLen(1, step)}, batch); err != nil {
				return err
			}
		}
		return w.params.Pull()
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

// batchOf is this rank's part of a step of the first epoch.
func (w *Worker) batchOf(ctx context.Context, step int) (*data.Batch, error) {
	loader := w.images.loader(w.Train, 1, data.Augmentation{}, func(_ int, dst []int32) []int32 { return w.sampler.Batch(1, step, dst) })
	defer loader.Close()
	return loader.Next(ctx)
}

// What fails in the middle of a step leaves the parameters as they were.
func TestAStepThatFailsLeavesTheParameters(t *testing.T) {
	cfg := testConfig()
	w := loneWorker(t, cfg, nil)
	before := append([]float32(nil), w.values()...)
	w.clock.restart(&Timing{})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the view ended")
	cancel(reason)
	batch, err := w.batchOf(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.step(ctx, place{1, 0, 16}, batch); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
	for i, v := range w.values() {
		if v != before[i] {
			t.Fatalf("element %d has changed", i)
		}
	}
	if w.steps != 0 {
		t.Errorf("%d steps are done", w.steps)
	}
}
