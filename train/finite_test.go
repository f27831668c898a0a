package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ringloom/shard"
)

// The parameters of the last rank alone go bad after its second step, so that the others know of the third step's loss
// only what the ring tells them.
func TestNonFiniteLossStopsAllRanksBeforeTheUpdate(t *testing.T) {
	for world, k := range map[int]int{1: 1, 2: 3, 4: 1} {
		cfg := testConfig()
		cfg.CheckEvery, cfg.Accumulate = 0, k
		healthy := cfg
		healthy.MaxSteps = 2
		want, errs := trainRing(t, healthy, world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		bad := world - 1
		out, errs := trainRing(t, cfg, world, func(rank int, w *Worker) {
			if rank == bad {
				w.OnStep = func(s Step) {
					if s.Step == 2 {
						w.values()[0] = float32(math.NaN())
					}
				}
			}
		})
		sampler, err := shard.New(shard.Config{Samples: 90, GlobalBatch: 16, WorldSize: world, Rank: bad, Seed: cfg.Seed, Shuffle: true})
		if err != nil {
			t.Fatal(err)
		}
		samples := sampler.Batch(1, 2, nil)
		samples = samples[:(len(samples)+k-1)/k]
		for rank, err := range errs {
			var e *NonFiniteError
			if !errors.As(err, &e) {
				t.Errorf("world %d: rank %d ends with %v", world, rank, err)
				continue
			}
			if e.Rank != bad || e.Epoch != 1 || e.Step != 3 || !math.IsNaN(e.Value) || !slices.Equal(e.Samples, samples) || e.Rate != cfg.LearningRate {
				t.Errorf("world %d, %d micro-batches: rank %d has %+v, want rank %d, samples %v", world, k, rank, e, bad, samples)
			}
			if err.Error() != errs[0].Error() {
				t.Errorf("world %d: rank %d says %q, rank 0 %q", world, rank, err, errs[0])
			}
			values := out[rank].values
			if rank == bad {
				values = slices.Concat(want[0].values[:1], values[1:])
			}
			if !slices.Equal(values, want[0].values) {
				t.Errorf("world %d: rank %d has applied the step", world, rank)
			}
		}
	}
}

// An update that breaks the parameters is found before they are kept, be it the last one of the run or the last one before a
// checkpoint: no loss would tell in time.
func TestNonFiniteParametersAreNotKept(t *testing.T) {
	for name, last := range map[string]int{"end": 2, "checkpoint": 1} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.CheckEvery, cfg.MaxSteps, cfg.CheckpointEvery = 0, 2, last
			_, errs := trainRing(t, cfg, 2, func(rank int, w *Worker) {
				w.OnStep = func(s Step) {
					if s.Step == last {
						w.values()[3] = float32(math.Inf(1))
					}
				}
				w.OnEpoch = func(Epoch) error { return errors.New("the epoch was told of") }
				w.OnState = func(State) error { return errors.New("the state was kept") }
			})
			for rank, err := range errs {
				var e *NonFiniteParameterError
				if !errors.As(err, &e) {
					t.Errorf("rank %d ends with %v", rank, err)
					continue
				}
				if e.Element != 3 || !math.IsInf(e.Value, 1) || e.Steps != last || e.Rate != cfg.LearningRate {
					t.Errorf("rank %d: %+v after %d steps", rank, e, last)
				}
			}
		})
	}
}

// Large weights in the last layer leave the loss finite, but not the squares of the gradients behind them.
func TestNonFiniteNormStopsAllRanksBeforeTheUpdate(t *testing.T) {
	cfg := testConfig()
	cfg.ClipNorm = 1
	var before []float32
	out, errs := trainRing(t, cfg, 4, func(rank int, w *Worker) {
		if rank == 0 {
			p := w.params.List[len(w.params.List)-2]
			for i := range p.Len {
				w.values()[p.Offset+i] *= 1e25
			}
			before = slices.Clone(w.values())
		}
	})
	for rank, err := range errs {
		var e *NonFiniteError
		if !errors.As(err, &e) {
			t.Errorf("rank %d ends with %v", rank, err)
			continue
		}
		if e.Rank != -1 || e.Epoch != 1 || e.Step != 1 || len(e.Samples) != 16 || !math.IsInf(e.Value, 1) {
			t.Errorf("rank %d has %+v", rank, e)
		}
		if !slices.Equal(out[rank].values, before) {
			t.Errorf("rank %d has applied the step", rank)
		}
	}
}

func TestNonFiniteErrorNamesWhatToLookAt(t *testing.T) {
	e := &NonFiniteError{Rank: 1, Value: math.NaN(), Epoch: 3, Step: 17, Samples: []int32{9, 8, 7, 6, 5, 4, 3, 2, 1}, Rate: 0.002}
	const want = "the loss of rank 1 is NaN at epoch 3, step 17, in a batch of 9 (samples 9, 8, 7, 6, 5, 4, ..., 1); " +
		"all ranks stop before the update: lower the learning rate (now 0.002), or look at these samples"
	if e.Error() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
	e.Rank, e.Value, e.Samples = -1, math.Inf(1), e.Samples[:2]
	if got := e.Error(); !strings.HasPrefix(got, "the norm of the averaged gradient is +Inf at epoch 3, step 17, in a batch of 2 (samples 9, 8);") {
		t.Errorf("got %s", got)
	}
}
