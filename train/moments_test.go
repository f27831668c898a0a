package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ringloom/models"
	"ringloom/nn"
)

// normWithoutDropout is the network whose dropout would differ from world to world.
var normWithoutDropout = models.Spec{Name: normName, InputSide: normSpec.InputSide, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 4, 5, nn.Stride(3))))
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 8, 3, nn.Stride(2), nn.NoBias())))
	return b.Linear(x, 10)
}}

func normConfig() Config {
	cfg := testConfig()
	cfg.Model, cfg.BucketBytes = normName, 2000
	// Adam would make steps of the same size out of gradients that are 0 but for rounding, as the bias before a batch norm has them.
	cfg.Optimizer, cfg.LearningRate = "sgd", 0.05
	return cfg
}

// largest is the largest difference of two vectors, relative to 1 or the larger element.
func largest(t *testing.T, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("vectors of %d and %d elements", len(a), len(b))
	}
	worst := 0.0
	for i, x := range a {
		worst = max(worst, math.Abs(float64(x-b[i]))/max(1, math.Abs(float64(x))))
	}
	return worst
}

func TestRanksEvaluateWithTheSameRunningMoments(t *testing.T) {
	for _, world := range []int{4, 12} { // of 12, two have no sample of the last batch
		own := make([][]float32, world)
		out, errs := trainRing(t, normConfig(), world, func(rank int, w *Worker) {
			onEpoch := w.OnEpoch
			w.OnEpoch = func(e Epoch) error { own[rank] = slices.Clone(w.moments.own); return onEpoch(e) }
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for rank, o := range out {
			if !slices.Equal(o.moments, out[0].moments) || !slices.Equal(o.values, out[0].values) {
				t.Errorf("world %d: rank %d ends with other moments or parameters than rank 0", world, rank)
			}
		}
		if slices.Equal(own[0], own[1]) {
			t.Errorf("world %d: the ranks' own moments do not differ, so their mean tests nothing", world)
		}
		for i, got := range out[0].moments {
			mean := 0.0
			for _, o := range own {
				mean += float64(o[i]) / float64(world)
			}
			if math.Abs(float64(got)-mean) > 1e-6 {
				t.Errorf("world %d: moment %d is %v, the ranks' mean %v", world, i, got, mean)
			}
		}
	}
}

// After one step the first layer's means over four equal parts are the mean over the whole.
func TestMeansOfRanksAreThoseOfOneRank(t *testing.T) {
	cfg := normConfig()
	cfg.MaxSteps = 1
	var moments [2][]float32
	for i, world := range []int{1, 4} {
		out, errs := trainRing(t, cfg, world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		moments[i] = out[world-1].moments
	}
	if d := largest(t, moments[0][:4], moments[1][:4]); d > 1e-6 || moments[0][0] == 0 {
		t.Errorf("the means are off by %v: %v alone, %v with four ranks", d, moments[0][:4], moments[1][:4])
	}
}

func TestOneWrongMomentNamesTheTensorAndTheRanks(t *testing.T) {
	cfg := normConfig()
	cfg.MaxSteps = 1
	_, errs := trainRing(t, cfg, 3, func(rank int, w *Worker) {
		if err := w.shareMoments(t.Context()); err != nil {
			t.Error(err)
		}
		if rank == 1 {
			w.params.StateValue(3).Host[7] = 99
		}
		err := w.checkParameters(t.Context())
		if name := w.params.State[3].Name; !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "rank 1") {
			t.Errorf("rank %d: got %v, want it to name %s and rank 1", rank, err, name)
		}
		w.ownMoments()
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// The last batch has 10 samples: of four ranks two have fewer than the others, of twelve two have none.
func TestSynchronisedBatchNormTrainsAsOneRankDoes(t *testing.T) {
	cfg := normConfig()
	cfg.SyncBatchNorm = true
	alone, errs := trainModel(t, cfg, normWithoutDropout, 1, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, world := range []int{2, 4, 12} {
		out, errs := trainModel(t, cfg, normWithoutDropout, world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("world %d: %v", world, err)
		}
		for rank, o := range out {
			if !slices.Equal(o.values, out[0].values) || !slices.Equal(o.moments, out[0].moments) {
				t.Errorf("world %d: rank %d ends with other parameters or moments than rank 0", world, rank)
			}
		}
		for e := range alone[0].epochs {
			for s, want := range alone[0].epochs[e].StepLoss {
				if got := out[0].epochs[e].StepLoss[s]; math.Abs(got-want) > 1e-5 {
					t.Errorf("world %d epoch %d step %d: loss %v, alone %v", world, e+1, s+1, got, want)
				}
			}
		}
		if d := largest(t, alone[0].values, out[0].values); d > 1e-5 {
			t.Errorf("world %d: a parameter is off by %v", world, d)
		}
		if d := largest(t, alone[0].moments, out[0].moments); d > 1e-5 {
			t.Errorf("world %d: a running moment is off by %v", world, d)
		}
	}
}

// With three micro-batches, ranks of four with 2 of the last 10 samples have an empty one, and of twelve those without
// a sample run as many as the others.
func TestSynchronisedBatchNormMeetsInEveryMicroBatch(t *testing.T) {
	for _, world := range []int{4, 5, 12} {
		cfg := normConfig()
		cfg.SyncBatchNorm, cfg.Accumulate = true, 3
		out, errs := trainModel(t, cfg, normWithoutDropout, world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("world %d: %v", world, err)
		}
		for rank, o := range out {
			if !slices.Equal(o.values, out[0].values) || !slices.Equal(o.moments, out[0].moments) {
				t.Errorf("world %d: rank %d ends with other parameters or moments than rank 0", world, rank)
			}
		}
		last := out[0].epochs[1]
		if last.Loss >= out[0].epochs[0].Loss || last.Ranks[0].Samples == 0 {
			t.Errorf("world %d: epoch losses %v and %v", world, out[0].epochs[0].Loss, last.Loss)
		}
	}
}
