package train

import (
	"errors"
	"math"
	"slices"
	"testing"

	"ringloom/data"
)

// oneStep takes a step alone on n images and returns the worker, whose gradient memory still holds the sum.
func oneStep(t *testing.T, cfg Config, n int) *Worker {
	t.Helper()
	w := loneWorker(t, cfg, nil)
	set := stripes(n, 3)
	loader := data.NewLoader(data.LoaderConfig{Dataset: set, Steps: 1, Batch: func(_ int, dst []int32) []int32 {
		for i := range n {
			dst = append(dst, int32(i))
		}
		return dst
	}})
	defer loader.Close()
	batch, err := loader.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.clock.restart(&Timing{})
	if _, err := w.step(t.Context(), place{1, 0, n}, batch); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestMicroBatchesAddUpToTheWholeBatch(t *testing.T) {
	whole := oneStep(t, testConfig(), 14)
	for _, k := range []int{2, 3, 14, 16} { // 16 are more than there are samples, as a small last batch may have it
		cfg := testConfig()
		cfg.Accumulate = k
		parts := oneStep(t, cfg, 14)
		for i, want := range whole.params.Grads.Host {
			if got := parts.params.Grads.Host[i]; math.Abs(float64(got-want)) > 1e-6 {
				t.Fatalf("%d micro-batches: element %d of the gradient is %v, at once %v", k, i, got, want)
			}
		}
	}
}

// The uneven last step gives ranks of four 3, 3, 2 and 2 samples.
func TestAccumulationTrainsTheSameCurveWithAsManyCollectives(t *testing.T) {
	for _, world := range []int{1, 4} {
		var collectives [2]uint64
		var epochs [2][]Epoch
		for i, k := range []int{1, 3} {
			cfg := testConfig()
			cfg.Accumulate = k
			var first *Worker
			out, errs := trainRing(t, cfg, world, func(rank int, w *Worker) {
				if rank == 0 {
					first = w
				}
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for rank, o := range out {
				if !slices.Equal(o.values, out[0].values) {
					t.Errorf("world %d: rank %d ends with other parameters than rank 0", world, rank)
				}
			}
			collectives[i], epochs[i] = first.Ring.Stats().Collectives, out[0].epochs
		}
		if collectives[0] != collectives[1] {
			t.Errorf("world %d: %d collectives at once, %d accumulated", world, collectives[0], collectives[1])
		}
		for e := range epochs[0] {
			for s, want := range epochs[0][e].StepLoss {
				if got := epochs[1][e].StepLoss[s]; math.Abs(got-want) > 1e-4 {
					t.Errorf("world %d epoch %d step %d: loss %v, at once %v", world, e+1, s+1, got, want)
				}
			}
			if epochs[0][e].TrainAccuracy != epochs[1][e].TrainAccuracy {
				t.Errorf("world %d epoch %d: train accuracy %v, at once %v", world, e+1, epochs[1][e].TrainAccuracy, epochs[0][e].TrainAccuracy)
			}
		}
	}
}
