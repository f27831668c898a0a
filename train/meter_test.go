package train

import (
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/timeline"
)

// The accelerator's time is known for every part of every step, and the record is whole.
func TestAcceleratorsTimeIsRecorded(t *testing.T) {
	for _, world := range []int{1, 2} {
		cfg := testConfig()
		cfg.MaxSteps, cfg.CheckEvery, cfg.CheckpointEvery, cfg.Accumulate = 8, 3, 4, 2
		recorders := newRecorders(t, cfg, specOf(t, cfg.Model), world)
		out := trainOnFleet(t, cfg, world, accelerators, func(rank int, w *Worker) {
			w.Recorder, w.OnState = recorders[rank], func(State) error { return nil }
		})
		ranks := records(t, recorders)
		for r := range ranks {
			for _, e := range out[r].epochs {
				own := e.Ranks[r]
				if own.Forward <= 0 || own.Backward <= 0 || own.Optimizer <= 0 || own.ExposedComm < 0 || own.Total < own.Forward+own.Backward {
					t.Errorf("world %d, rank %d: %+v", world, r, own.Timing)
				}
			}
		}
		for r, steps := range timeline.Breakdown(ranks) {
			if len(steps) != 8 {
				t.Errorf("world %d, rank %d: %d whole steps, want 8", world, r, len(steps))
			}
			for _, s := range steps {
				if s.Forward <= 0 || s.Backward <= 0 || s.Optimizer <= 0 || s.Other < -1e-9 || s.ExposedComm < 0 {
					t.Errorf("world %d, rank %d: %+v", world, r, s)
				}
			}
		}
	}
}

// Waits and updates of hundreds of buckets are more marks than a device remembers.
func TestManyMarksAreReadInTime(t *testing.T) {
	cfg := testConfig()
	cfg.Epochs, cfg.Accumulate, cfg.GlobalBatch = 1, 40, 90
	trainOnFleet(t, cfg, 1, accelerators, nil)
	deep := models.Spec{Name: "deep", InputSide: 28, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
		for range 70 {
			x = b.Linear(x, 3)
		}
		return b.Linear(x, 10)
	}}
	cfg = testConfig()
	cfg.Epochs, cfg.BucketBytes, cfg.MaxSteps = 1, 1, 3
	trainSpecOnFleet(t, cfg, deep, 2, accelerators, nil)
}
