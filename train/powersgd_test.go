package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/purego"
)

const testRows, testCols = 128, 160

// exchangeFactors takes steps of PowerSGD over a ring, in which rank r's gradient is gradient(r, step), and returns the sums
// that arrive in the last.
func exchangeFactors(t *testing.T, world, rank, steps int, gradient func(rank, step int) []float32) [][]float32 {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "test", 1, world
	groups, _ := allreducetest.Groups(ring, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	out := make([][]float32, world)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		device := purego.New()
		defer device.Close()
		cfg := DefaultConfig()
		cfg.PowerSGD = rank
		params := &nn.Params{List: []nn.Param{{Layer: "Linear", Kind: "weight", Shape: []int{testRows, testCols}, Len: testRows * testCols}}}
		params.Grads, _ = device.Alloc(params.Len())
		residual, _ := device.Alloc(params.Len())
		s, err := newPowerSGD(cfg, world, device, params, residual, planBuckets(cfg.spans(params.List), cfg.BucketBytes))
		if err != nil {
			return err
		}
		f := s.matrix(0, 0)
		for step := range steps {
			copy(params.Grads.Host, gradient(g.Rank(), step))
			if err := s.begin(f, step); err != nil {
				return err
			}
			if err := g.AllReduce(t.Context(), f.p); err != nil {
				return err
			}
			if err := f.turn(); err != nil {
				return err
			}
			if err := g.AllReduce(t.Context(), f.q); err != nil {
				return err
			}
			f.finish()
		}
		out[g.Rank()] = slices.Clone(params.Grads.Host)
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for r, v := range out {
		if !slices.Equal(v, out[0]) {
			t.Errorf("rank %d has another sum than rank 0", r)
		}
	}
	return out
}

// product is a matrix of the given rank, the same for the same seed.
func product(k int, seed uint64) []float32 {
	v := make([]float32, testRows*testCols)
	decompress(v, make([]float32, len(v)), randomMatrix(k*testRows, seed), randomMatrix(k*testCols, seed+1), k, 0)
	return v
}

// Gradients whose sum has no higher rank than the factors arrive whole in the first step, and nothing is left over.
func TestFactorsHoldAMatrixOfTheirRank(t *testing.T) {
	for _, world := range []int{2, 3} {
		for _, steps := range []int{1, 3} {
			out := exchangeFactors(t, world, 4, steps, func(rank, step int) []float32 { return product(1, uint64(100*step+10*rank)) })
			want := make([]float32, testRows*testCols)
			for r := range world {
				addTo(want, product(1, uint64(100*(steps-1)+10*r)))
			}
			for i, v := range out[0] {
				want[i] -= v
			}
			if off := l2(want) / l2(out[0]); off > 1e-4 {
				t.Errorf("%d ranks, step %d: the sum is off by %v", world, steps, off)
			}
		}
	}
}

// A gradient of zeros leaves no factor to start from.
func TestFactorsBeginAnewBehindZeros(t *testing.T) {
	out := exchangeFactors(t, 2, 2, 3, func(rank, step int) []float32 {
		if step == 1 {
			return make([]float32, testRows*testCols)
		}
		return product(1, 7)
	})
	want := product(1, 7)
	for i := range want {
		want[i] = 2*want[i] - out[0][i]
	}
	if off := l2(want) / l2(out[0]); off > 1e-5 {
		t.Errorf("after a gradient of zeros the sum is off by %v", off)
	}
}

// The factors take the place of the whole matrix on the wire.
func TestPowerSGDSendsLess(t *testing.T) {
	sent := func(rank int) uint64 {
		cfg := denseConfig()
		cfg.PowerSGD, cfg.MaxSteps = rank, 4
		var bytes uint64
		_, errs := trainRing(t, cfg, 2, func(rank int, w *Worker) {
			if rank == 0 {
				w.OnEpoch = func(e Epoch) error { bytes = e.Ranks[0].SentBytes; return nil }
			}
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		return bytes
	}
	whole, factors := sent(0), sent(2)
	saved := 4 * 4 * (784*32 - 2*(784+32)) // of two ranks each sends as much as the vector has
	if whole < factors || math.Abs(float64(whole-factors)/float64(saved)-1) > 0.02 {
		t.Errorf("%d bytes sent whole, %d as factors: %d less, want %d", whole, factors, whole-factors, saved)
	}
}

// Whatever else there is to a step, all ranks end with the same parameters, and one that has no sample takes part.
func TestPowerSGDWithEverything(t *testing.T) {
	spec := models.Spec{Name: "both", InputSide: denseSpec.InputSide, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
		x = b.ReLU(b.BatchNorm(b.Conv2D(x, 4, 5, nn.Stride(2))))
		return b.Linear(b.ReLU(b.Linear(x, 40)), 10)
	}}
	worlds := []int{4, 12, 1}
	for _, world := range worlds[:allreducetest.Amount(1, 3, 3)] {
		cfg := everything()
		cfg.Accumulate, cfg.SyncBatchNorm, cfg.PowerSGD, cfg.PowerSGDStart, cfg.Wire = 1, true, 3, 4, "bf16"
		if world == 4 {
			cfg.Accumulate = 2
		}
		out, errs := trainModel(t, cfg, spec, world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for rank, o := range out {
			if !slices.Equal(o.values, out[0].values) {
				t.Errorf("world %d: rank %d ends with other parameters than rank 0", world, rank)
			}
		}
		if last := out[0].epochs[2]; !finite(last.Loss) || last.Loss > out[0].epochs[0].Loss {
			t.Errorf("world %d: the loss goes from %v to %v", world, out[0].epochs[0].Loss, last.Loss)
		}
	}
}

func TestNonFiniteLossStopsFactorsToo(t *testing.T) {
	cfg := denseConfig()
	cfg.PowerSGD, cfg.LearningRate = 2, 1e38
	_, errs := trainRing(t, cfg, 3, nil)
	for rank, err := range errs {
		var e *NonFiniteError
		if !errors.As(err, &e) || e.Step != 2 || err.Error() != errs[0].Error() {
			t.Errorf("rank %d ends with %v", rank, err)
		}
	}
}

// Of the models, those with large fully connected layers have something to compress, and nothing else is.
func TestPowerSGDTakesLargeFullyConnectedWeights(t *testing.T) {
	for model, want := range map[string]string{
		"lenet": "[120 400]", "alexnet": "[4096 6400] [4096 4096] [10 4096]", "vgg-tiny-96": "[256 288] [256 256]", "nin": "", "googlenet": "",
	} {
		spec := specOf(t, model)
		info, err := nn.Inspect(spec.InputSide, spec.Build)
		if err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		cfg.Model, cfg.PowerSGD = model, 4
		got := ""
		plan := planBuckets(cfg.spans(info.Params), cfg.BucketBytes)
		for _, p := range info.Params {
			if !cfg.compresses(p) {
				continue
			}
			got += fmt.Sprint(" ", p.Shape)
			if !slices.ContainsFunc(plan, func(b bucket) bool { return b.lo == p.Offset && b.hi == p.Offset+p.Len }) {
				t.Errorf("%s: %s is no bucket of its own", model, p.Name)
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", model, got, want)
		}
		if err := cfg.ValidateModel(info.Params); (err == nil) != (want != "") {
			t.Errorf("%s: %v", model, err)
		}
	}
}
