package train

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"ringloom/allreduce/allreducetest"
	"ringloom/train/gradsync"
)

// kept is what a run's leader writes down.
type kept struct {
	state           []byte // State
	rank            []float32
	values, moments []float32
	memory          gradsync.Memory
	steps           int
}

// keep copies every state that rank 0 is handed.
func keep(states *[]kept) func(rank int, w *Worker) {
	return func(rank int, w *Worker) {
		w.OnState = func(s State) error {
			if rank != 0 {
				return nil
			}
			block, err := json.Marshal(s)
			if err != nil {
				return err
			}
			*states = append(*states, kept{
				state: block, rank: s.Moments, steps: s.Steps, memory: clone(s.Memory),
				values: slices.Clone(w.values()), moments: slices.Clone(w.params.StateValues.Host),
			})
			return nil
		}
	}
}

// resumed are the states that a test goes on from: with -short the last alone.
func resumed(states []kept) []kept {
	return states[len(states)-allreducetest.Amount(1, len(states), len(states)):]
}

func clone(m gradsync.Memory) gradsync.Memory {
	c := gradsync.Memory{Factors: slices.Clone(m.Factors)}
	for _, t := range m.Optimizer {
		c.Optimizer = append(c.Optimizer, gradsync.OptimizerTensor{Kind: t.Kind, Values: slices.Clone(t.Values)})
	}
	for _, r := range m.Residuals {
		c.Residuals = append(c.Residuals, slices.Clone(r))
	}
	return c
}

// from fills rank 0 with a state.
func (k kept) from(t *testing.T) func(rank int, w *Worker) {
	return func(rank int, w *Worker) {
		w.OnState = func(State) error { return nil }
		if rank != 0 {
			return
		}
		copy(w.values(), k.values)
		copy(w.params.StateValues.Host, k.moments)
		var s State
		if err := json.Unmarshal(k.state, &s); err != nil {
			t.Error(err)
		}
		s.Moments, s.Memory = k.rank, clone(k.memory)
		if err := w.Resume(s); err != nil {
			t.Error(err)
		}
	}
}

// withoutTimes leaves what must be the same to the bit.
func withoutTimes(epochs []Epoch) []Epoch {
	var all []Epoch
	for _, e := range epochs {
		e.Seconds = 0
		e.Ranks = slices.Clone(e.Ranks)
		for i := range e.Ranks {
			e.Ranks[i].Timing = Timing{}
		}
		all = append(all, e)
	}
	return all
}

// everything is a configuration whose every part depends on where the run is.
func everything() Config {
	cfg := testConfig()
	cfg.Model, cfg.BucketBytes, cfg.Epochs = normName, 2000, 3
	cfg.Schedule, cfg.WarmupEpochs, cfg.Optimizer, cfg.WeightDecay = "cosine", 0.5, "adamw", 0.01
	cfg.Accumulate, cfg.ClipNorm, cfg.Augment, cfg.LabelSmoothing = 2, 1, true, 0.1
	return cfg
}

// Three epochs of six steps, straight and from the middle of the second.
func TestResumedRunContinuesToTheBit(t *testing.T) {
	momentum := everything()
	momentum.Optimizer, momentum.Accumulate, momentum.SyncBatchNorm = "sgd", 1, true
	for _, cfg := range []Config{everything(), momentum} {
		for _, world := range []int{1, 4} {
			straight, errs := trainRing(t, cfg, world, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			var states []kept
			half := cfg
			half.MaxSteps, half.CheckpointEvery = 9, 4
			if _, errs := trainRing(t, half, world, keep(&states)); errors.Join(errs...) != nil {
				t.Fatal(errors.Join(errs...))
			}
			var steps []int
			for _, k := range states {
				steps = append(steps, k.steps)
			}
			if !slices.Equal(steps, []int{4, 6, 8, 9}) {
				t.Fatalf("states were kept after steps %v", steps)
			}
			for _, k := range resumed(states) {
				out, errs := trainRing(t, cfg, world, k.from(t))
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				for rank, o := range out {
					want := straight[rank]
					if !slices.Equal(o.values, want.values) || !slices.Equal(o.optimizer, want.optimizer) || !slices.Equal(o.moments, want.moments) {
						t.Errorf("%s, world %d, from step %d: rank %d ends with other parameters, optimizer state or moments", cfg.Optimizer, world, k.steps, rank)
					}
					wantEpochs := withoutTimes(want.epochs[k.steps/6:])
					if got := withoutTimes(o.epochs); !reflect.DeepEqual(got, wantEpochs) {
						t.Errorf("%s, world %d, from step %d: rank %d reports\n%+v, straight\n%+v", cfg.Optimizer, world, k.steps, rank, got, wantEpochs)
					}
				}
			}
		}
	}
}

// A run goes on with another number of ranks: the epoch's sums are those of every sample once.
func TestResumeInAnotherWorldLosesNoSample(t *testing.T) {
	cfg := testConfig()
	straight, errs := trainRing(t, cfg, 1, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var states []kept
	half := cfg
	half.MaxSteps = 9
	if _, errs := trainRing(t, half, 4, keep(&states)); errors.Join(errs...) != nil {
		t.Fatal(errors.Join(errs...))
	}
	for _, world := range []int{1, 3} {
		out, errs := trainRing(t, cfg, world, states[len(states)-1].from(t))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		samples := 0
		for _, r := range out[0].epochs[0].Ranks {
			samples += r.Samples
		}
		got, want := out[0].epochs[0], straight[0].epochs[1]
		if len(out[0].epochs) != 1 || samples != 90 || got.Steps != 12 || len(got.StepLoss) != 6 {
			t.Errorf("world %d: %d epochs, %d samples, %d steps, %d losses", world, len(out[0].epochs), samples, got.Steps, len(got.StepLoss))
		}
		for s, loss := range got.StepLoss {
			if math.Abs(loss-want.StepLoss[s]) > 1e-4 {
				t.Errorf("world %d step %d: loss %v, straight %v", world, s+1, loss, want.StepLoss[s])
			}
		}
		if math.Abs(got.Loss-want.Loss) > 1e-4 || got.TrainAccuracy != want.TrainAccuracy {
			t.Errorf("world %d: loss %v and accuracy %v, straight %v and %v", world, got.Loss, got.TrainAccuracy, want.Loss, want.TrainAccuracy)
		}
	}
}

// How often a run is stored changes none of its numbers.
func TestKeepingStatesChangesNothing(t *testing.T) {
	cfg := everything()
	var out [2][]outcome
	for i, every := range []int{0, 2} {
		cfg.CheckpointEvery = every
		var states []kept
		var errs []error
		out[i], errs = trainRing(t, cfg, 3, keep(&states))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for rank := range out[0] {
		a, b := out[0][rank], out[1][rank]
		if !slices.Equal(a.values, b.values) || !slices.Equal(a.moments, b.moments) || !reflect.DeepEqual(withoutTimes(a.epochs), withoutTimes(b.epochs)) {
			t.Errorf("rank %d ends with other numbers", rank)
		}
	}
}

func TestStatesOfOtherShapesAreRefused(t *testing.T) {
	w := loneWorker(t, testConfig(), nil)
	for _, s := range []State{{WorldSize: 2, Moments: make([]float32, 1)}, {WorldSize: 2, Ranks: make([]Partial, 1)}} {
		if err := w.Resume(s); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
