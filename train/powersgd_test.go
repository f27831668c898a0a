package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"ringloom/allreduce/allreducetest"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/train/gradsync"
)

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
		if last := out[0].epochs[2]; !gradsync.Finite(last.Loss) || last.Loss > out[0].epochs[0].Loss {
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
		gradients := cfg.gradients(0, 1)
		plan := gradsync.NewPlan(gradients, info.Params)
		for _, p := range info.Params {
			if !gradients.Compresses(p) {
				continue
			}
			got += fmt.Sprint(" ", p.Shape)
			if !slices.ContainsFunc(plan, func(b gradsync.Bucket) bool { return b.From == p.Offset && b.To == p.Offset+p.Len }) {
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
