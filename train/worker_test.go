package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// stripes is a small learnable set: class c has bright rows 2c and 2c+1 on noise.
func stripes(n int, seed uint64) *data.Dataset {
	rng := rand.New(rand.NewPCG(seed, 2))
	images, labels := make([]byte, n*data.Side*data.Side), make([]byte, n)
	for i := range n {
		labels[i] = byte(rng.IntN(data.Classes))
		image := images[i*data.Side*data.Side : (i+1)*data.Side*data.Side]
		for p := range image {
			image[p] = byte(rng.IntN(60))
			if row := p / data.Side; row/2 == int(labels[i]) {
				image[p] += 180
			}
		}
	}
	return data.NewDataset(images, labels, data.Side)
}

// smallName is a Config.Model that stands for a LeNet in small: what all this is about is not how much a step computes.
const smallName = "small"

var smallSpec = models.Spec{Name: smallName, InputSide: data.Side, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.AvgPool(b.Sigmoid(b.Conv2D(x, 3, 5, nn.Stride(2), nn.Pad(2))), 2)
	x = b.AvgPool(b.Sigmoid(b.Conv2D(x, 4, 3)), 2)
	x = b.Sigmoid(b.Linear(x, 24))
	x = b.Sigmoid(b.Linear(x, 16))
	return b.Linear(x, data.Classes)
}}

// normName is a Config.Model that stands for a small network with batch norm before and behind a stride, and dropout.
const normName = "norm"

var normSpec = models.Spec{Name: normName, InputSide: data.Side, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 4, 5, nn.Stride(3))))
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 8, 3, nn.Stride(2), nn.NoBias())))
	return b.Linear(b.Dropout(x, 0.2), data.Classes)
}}

// denseName is a Config.Model that stands for a small network with weights that PowerSGD takes.
const denseName = "dense"

var denseSpec = models.Spec{Name: denseName, InputSide: data.Side, Build: func(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	return b.Linear(b.ReLU(b.Linear(x, 32)), data.Classes)
}}

// testSpecs are the models that are not in the table.
var testSpecs = map[string]models.Spec{smallName: smallSpec, normName: normSpec, denseName: denseSpec}

func specOf(t *testing.T, model string) models.Spec {
	t.Helper()
	if spec, ok := testSpecs[model]; ok {
		return spec
	}
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// outcome is what one rank ends with.
type outcome struct {
	epochs    []Epoch
	values    []float32
	moments   []float32 // StateValues
	optimizer []float32
	residual  []float32
}

// residualOf is what a rank has yet to add to the sums.
func residualOf(w *Worker) []float32 {
	local, _ := w.grads.Local()
	return slices.Concat(local.Residuals...)
}

func l2(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func addInto(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}

// trainRing trains world ranks over an in-memory ring. change may alter one rank's worker before it runs.
func trainRing(t *testing.T, cfg Config, world int, change func(rank int, w *Worker)) ([]outcome, []error) {
	t.Helper()
	return trainModel(t, cfg, specOf(t, cfg.Model), world, change)
}

func trainModel(t *testing.T, cfg Config, spec models.Spec, world int, change func(rank int, w *Worker)) ([]outcome, []error) {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize, ring.Alone = "test", 1, world, world == 1
	return trainOver(t, ring, cfg, spec, change)
}

// trainOver trains over a ring of a given shape.
func trainOver(t *testing.T, ring allreduce.Config, cfg Config, spec models.Spec, change func(rank int, w *Worker)) ([]outcome, []error) {
	t.Helper()
	return trainFleet(t, ring, cfg, spec, hosts, change)
}

// fleet is what each rank computes on.
type fleet func(rank int) op.Device

func hosts(int) op.Device { return purego.New() }

// trainFleet trains on given devices.
func trainFleet(t *testing.T, ring allreduce.Config, cfg Config, spec models.Spec, devices fleet, change func(rank int, w *Worker)) ([]outcome, []error) {
	t.Helper()
	return trainFleetAnd(t, ring, cfg, spec, devices, change, nil)
}

// trainFleetThen trains, and then does something more on every rank before it looks at what the ranks end with.
func trainFleetThen(t *testing.T, ring allreduce.Config, cfg Config, spec models.Spec, devices fleet, then func(w *Worker) error) ([]outcome, []error) {
	t.Helper()
	return trainFleetAnd(t, ring, cfg, spec, devices, nil, then)
}

func trainFleetAnd(t *testing.T, ring allreduce.Config, cfg Config, spec models.Spec, devices fleet,
	change func(rank int, w *Worker), then func(w *Worker) error) ([]outcome, []error) {
	t.Helper()
	world := ring.WorldSize
	var groups []*allreduce.Group
	if world == 1 {
		g, err := allreduce.New(ring)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	} else {
		groups, _ = allreducetest.Groups(ring, allreducetest.Faults{})
	}
	defer allreducetest.CloseAll(groups)
	trainSet, testSet := stripes(90, 1), stripes(33, 2)
	out := make([]outcome, world)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		device := devices(g.Rank())
		defer device.Close()
		o := &out[g.Rank()]
		w, err := newWorker(Options{
			Config: cfg, Device: device, Ring: g, Rank: g.Rank(), WorldSize: world, Train: trainSet, Test: testSet,
			OnEpoch: func(e Epoch) error { o.epochs = append(o.epochs, e); return nil },
		}, spec)
		if err != nil {
			return err
		}
		if change != nil {
			change(g.Rank(), w)
		}
		err = w.Run(t.Context())
		if err == nil && then != nil {
			err = then(w)
		}
		o.values, o.moments = slices.Clone(w.values()), slices.Clone(w.params.StateValues.Host)
		local, localErr := w.grads.Local()
		for _, kind := range local.Optimizer {
			o.optimizer = append(o.optimizer, kind.Values...)
		}
		o.residual = slices.Concat(local.Residuals...)
		return errors.Join(err, localErr)
	})
	return out, errs
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Model, cfg.Epochs, cfg.GlobalBatch, cfg.CheckEvery, cfg.BucketBytes = smallName, 2, 16, 3, 1000
	return cfg
}

// 90 samples in batches of 16 leave 10 for the last step, which 4 ranks share unevenly and 12 ranks leave two of
// them without a sample.
func TestAnyWorldTrainsTheSameCurve(t *testing.T) {
	var alone []Epoch
	for _, world := range []int{1, 2, 4, 12} {
		out, errs := trainRing(t, testConfig(), world, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("world %d: %v", world, err)
		}
		for rank, o := range out {
			if !slices.Equal(o.values, out[0].values) {
				t.Errorf("world %d: rank %d ends with other parameters than rank 0", world, rank)
			}
		}
		epochs := out[0].epochs
		if world == 1 {
			alone = epochs
		}
		for i, e := range epochs {
			samples, tests := 0, 0
			for _, r := range e.Ranks {
				samples += r.Samples
				tests += r.TestSamples
			}
			if samples != 90 || tests != 33 {
				t.Errorf("world %d epoch %d: %d samples and %d test samples, want 90 and 33", world, i+1, samples, tests)
			}
			if e.TestAccuracy != alone[i].TestAccuracy {
				t.Errorf("world %d epoch %d: test accuracy %v, alone %v", world, i+1, e.TestAccuracy, alone[i].TestAccuracy)
			}
			if math.Abs(e.Loss-alone[i].Loss) > 1e-5 {
				t.Errorf("world %d epoch %d: loss %v, alone %v", world, i+1, e.Loss, alone[i].Loss)
			}
			for s, loss := range e.StepLoss {
				if math.Abs(loss-alone[i].StepLoss[s]) > 1e-4 {
					t.Errorf("world %d epoch %d step %d: loss %v, alone %v", world, i+1, s+1, loss, alone[i].StepLoss[s])
				}
			}
		}
	}
}

func TestMaxStepsEndsTheRunInMidEpoch(t *testing.T) {
	cfg := testConfig()
	cfg.MaxSteps = 8 // six steps make an epoch
	out, errs := trainRing(t, cfg, 2, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	epochs := out[1].epochs
	if len(epochs) != 2 || epochs[1].Steps != 8 || len(epochs[1].StepLoss) != 2 {
		t.Errorf("got %d epochs, the last after %d steps", len(epochs), epochs[len(epochs)-1].Steps)
	}
}

func TestOneWrongBitNamesTheTensorAndTheRanks(t *testing.T) {
	var name string
	_, errs := trainRing(t, testConfig(), 3, func(rank int, w *Worker) {
		if rank == 2 {
			p := w.params.List[3]
			name = p.Name
			w.OnStep = func(s Step) { // after the broadcast
				if s.Epoch == 1 && s.Step == 2 {
					last := &w.values()[p.Offset+p.Len-1]
					*last = math.Float32frombits(math.Float32bits(*last) ^ 1)
				}
			}
		}
	})
	for rank, err := range errs {
		// All find it, unless another that has found it already closed the ring.
		if !errors.Is(err, ErrDiverged) && !errors.Is(err, allreduce.ErrNeighbourLost) && !errors.Is(err, allreduce.ErrAborted) {
			t.Errorf("rank %d: got %v", rank, err)
		}
		if errors.Is(err, ErrDiverged) && (!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "rank 2")) {
			t.Errorf("rank %d: %q does not name tensor %s and rank 2", rank, err, name)
		}
	}
}

// loneWorker is a worker that trains alone, with what it needs around it.
func loneWorker(t *testing.T, cfg Config, onStep func(Step)) *Worker {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize, ring.Alone = "test", 1, 1, true
	g, err := allreduce.New(ring)
	if err != nil {
		t.Fatal(err)
	}
	device := purego.New()
	t.Cleanup(func() { g.Close(); device.Close() })
	w, err := newWorker(Options{
		Config: cfg, Device: device, Ring: g, WorldSize: 1, Train: stripes(90, 1), Test: stripes(33, 2), OnStep: onStep,
	}, specOf(t, cfg.Model))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCancelEndsTheRunWithItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the view ended")
	w := loneWorker(t, testConfig(), func(Step) { cancel(reason) })
	if err := w.Run(ctx); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

// A step in steady state allocates nothing; allreduce has the same test for its collectives.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	plain, rich := testConfig(), testConfig()
	rich.Accumulate, rich.ClipNorm, rich.Schedule, rich.WarmupEpochs = 3, 0.1, "cosine", 1
	shards, factors := rich, plain
	shards.ShardOptimizer, shards.Wire = true, "int8"
	factors.Model, factors.PowerSGD, factors.Wire, factors.ErrorFeedback = denseName, 4, "bf16", "on"
	for _, cfg := range []Config{plain, rich, shards, factors} {
		w := loneWorker(t, cfg, nil)
		batch := &data.Batch{Pixels: make([]byte, 16*data.Side*data.Side), Labels: make([]float32, 16), N: 16}
		for i := range batch.Pixels { // of a matrix of zeros PowerSGD's factors would begin anew in each step
			batch.Pixels[i] = byte(i * i % 251)
		}
		w.clock.restart(&Timing{})
		ctx := t.Context()
		step := func() {
			if _, err := w.step(ctx, place{1, 0, 16}, batch); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if n := testing.AllocsPerRun(5, step); n != 0 {
			t.Errorf("%d micro-batches, sharded %v, PowerSGD %d: %v allocations a step", cfg.Accumulate, cfg.ShardOptimizer, cfg.PowerSGD, n)
		}
	}
}
