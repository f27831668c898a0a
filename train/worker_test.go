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

// outcome is what one rank ends with.
type outcome struct {
	epochs []Epoch
	values []float32
}

// trainRing trains world ranks over an in-memory ring. change may alter one rank's worker before it runs.
func trainRing(t *testing.T, cfg Config, world int, change func(rank int, w *Worker)) ([]outcome, []error) {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.Size, ring.Alone = "test", 1, world, world == 1
	var groups []*allreduce.Group
	if world == 1 {
		g, err := allreduce.New(ring, nil)
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
		device := purego.New()
		defer device.Close()
		o := &out[g.Rank()]
		w, err := NewWorker(Options{
			Config: cfg, Device: device, Ring: g, Rank: g.Rank(), World: world, Train: trainSet, Test: testSet,
			OnEpoch: func(e Epoch) error { o.epochs = append(o.epochs, e); return nil },
		})
		if err != nil {
			return err
		}
		if change != nil {
			change(g.Rank(), w)
		}
		err = w.Run(t.Context())
		o.values = slices.Clone(w.values())
		return err
	})
	return out, errs
}

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Epochs, cfg.GlobalBatch, cfg.CheckEvery, cfg.BucketBytes = 2, 16, 3, 20_000
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

// corrupting flips one bit of one rank's parameters after the broadcast, at its second update.
type corrupting struct {
	Optimizer
	at      int
	updates int
}

func (c *corrupting) Update(values, grads []float32, lo, hi int) {
	c.Optimizer.Update(values, grads, lo, hi)
	if c.updates++; c.updates == 2 {
		values[c.at] = math.Float32frombits(math.Float32bits(values[c.at]) ^ 1)
	}
}

func TestOneWrongBitNamesTheTensorAndTheRanks(t *testing.T) {
	var name string
	_, errs := trainRing(t, testConfig(), 3, func(rank int, w *Worker) {
		if rank == 2 {
			p := w.params.List[3]
			name = p.Name
			w.opt = &corrupting{Optimizer: w.opt, at: p.Offset + p.Len - 1}
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

func TestNonFiniteLossStopsTheRankBeforeTheUpdate(t *testing.T) {
	cfg := testConfig()
	out, errs := trainRing(t, cfg, 1, func(_ int, w *Worker) { w.values()[0] = float32(math.NaN()) })
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "loss of rank 0 is NaN at epoch 1, step 1") {
		t.Errorf("got %v", errs[0])
	}
	nans := 0
	for _, v := range out[0].values {
		if v != v {
			nans++
		}
	}
	if nans != 1 {
		t.Errorf("%d parameters are NaN: the update was applied", nans)
	}
}

// loneWorker is a worker that trains alone, with what it needs around it.
func loneWorker(t *testing.T, onStep func(Step)) *Worker {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.Size, ring.Alone = "test", 1, 1, true
	g, err := allreduce.New(ring, nil)
	if err != nil {
		t.Fatal(err)
	}
	device := purego.New()
	t.Cleanup(func() { g.Close(); device.Close() })
	w, err := NewWorker(Options{
		Config: testConfig(), Device: device, Ring: g, World: 1, Train: stripes(90, 1), Test: stripes(33, 2), OnStep: onStep,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCancelEndsTheRunWithItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the view ended")
	w := loneWorker(t, func(Step) { cancel(reason) })
	if err := w.Run(ctx); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

// A step in steady state allocates nothing; allreduce has the same test for its collectives.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	w := loneWorker(t, nil)
	batch := &data.Batch{Pixels: make([]float32, 16*data.Side*data.Side), Labels: make([]float32, 16), N: 16}
	var timing Timing
	watch := startWatch()
	ctx := t.Context()
	step := func() {
		if _, err := w.forward(batch, 16, &timing, &watch); err != nil {
			t.Fatal(err)
		}
		if err := w.backward(batch, &timing, &watch); err != nil {
			t.Fatal(err)
		}
		if err := w.update(ctx, &timing, &watch); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(5, step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func TestConfigIsRefusedInOneLine(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"--epochs 0":       func(c *Config) { c.Epochs = 0 },
		"--global-batch 3": func(c *Config) { c.GlobalBatch = 3 },
		"--lr NaN":         func(c *Config) { c.LearningRate = math.NaN() },
		"--lr -1":          func(c *Config) { c.LearningRate = -1 },
		"--momentum 1":     func(c *Config) { c.Momentum = 1 },
		"--bucket-bytes 0": func(c *Config) { c.BucketBytes = 0 },
		"--check-every -1": func(c *Config) { c.CheckEvery = -1 },
		"--max-steps -1":   func(c *Config) { c.MaxSteps = -1 },
		`--optimizer "x"`:  func(c *Config) { c.Optimizer = "x" },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(4); err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", says, err)
		}
	}
	if err := DefaultConfig().Validate(4); err != nil {
		t.Error(err)
	}
}
