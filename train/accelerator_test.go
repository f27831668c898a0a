package train

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"ringloom/allreduce"
	"ringloom/models"
	"ringloom/nn/acceltest"
	"ringloom/nn/op"
)

func accelerators(int) op.Device { return acceltest.New() }

// mixed has a host device on even ranks.
func mixed(rank int) op.Device {
	if rank%2 == 0 {
		return hosts(rank)
	}
	return accelerators(rank)
}

func trainOnFleet(t *testing.T, cfg Config, world int, devices fleet, change func(rank int, w *Worker)) []outcome {
	t.Helper()
	return trainSpecOnFleet(t, cfg, specOf(t, cfg.Model), world, devices, change)
}

func trainSpecOnFleet(t *testing.T, cfg Config, spec models.Spec, world int, devices fleet, change func(rank int, w *Worker)) []outcome {
	t.Helper()
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize, ring.Alone = "test", 1, world, world == 1
	out, errs := trainFleet(t, ring, cfg, spec, devices, change)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

// sameOutcome wants the same numbers to the bit on every rank.
func sameOutcome(t *testing.T, got, want []outcome) {
	t.Helper()
	for rank, o := range got {
		w := want[rank]
		for what, same := range map[string]bool{
			"parameters": slices.Equal(o.values, w.values), "running moments": slices.Equal(o.moments, w.moments),
			"optimizer's memory": slices.Equal(o.optimizer, w.optimizer), "residuals": slices.Equal(o.residual, w.residual),
			"epochs": reflect.DeepEqual(withoutTimes(o.epochs), withoutTimes(w.epochs)),
		} {
			if !same {
				t.Errorf("rank %d ends with other %s", rank, what)
			}
		}
	}
}

// accelerated are configurations that between them have all that touches the host's memory in a step.
func accelerated() map[string]Config {
	with := func(c Config, change func(*Config)) Config {
		change(&c)
		return c
	}
	short := func(c Config) Config {
		c.MaxSteps, c.Epochs = 8, 2 // six steps make an epoch, the last of them with 10 samples instead of 16
		return c
	}
	plain, dense, norm := short(testConfig()), short(denseConfig()), short(normConfig())
	return map[string]Config{
		"plain":             plain,
		"one bucket":        with(plain, func(c *Config) { c.BucketBytes = 1 << 20 }),
		"accumulated":       with(plain, func(c *Config) { c.Accumulate = 3 }),
		"clipped":           with(plain, func(c *Config) { c.ClipNorm = 0.1 }),
		"sgd":               with(plain, func(c *Config) { c.Optimizer, c.Nesterov, c.LearningRate = "sgd", true, 0.05 }),
		"sharded":           with(plain, func(c *Config) { c.ShardOptimizer = true }),
		"sharded, clipped":  with(dense, func(c *Config) { c.ShardOptimizer, c.ClipNorm, c.Accumulate = true, 0.1, 2 }),
		"powersgd":          with(dense, func(c *Config) { c.PowerSGD, c.PowerSGDStart = 2, 3 }),
		"powersgd, clipped": with(dense, func(c *Config) { c.PowerSGD, c.Wire, c.ClipNorm, c.Accumulate = 2, "int8", 0.1, 2 }),
		"int8":              with(dense, func(c *Config) { c.Wire = "int8" }),
		"sharded bf16":      with(dense, func(c *Config) { c.Wire, c.ErrorFeedback, c.ShardOptimizer = "bf16", "on", true }),
		"batch norm":        norm,
		"shared batch norm": with(norm, func(c *Config) { c.SyncBatchNorm = true }),
		"shared, in parts":  with(norm, func(c *Config) { c.SyncBatchNorm, c.Accumulate, c.ClipNorm = true, 3, 1 }),
		"everything":        short(everything()),
	}
}

// What is computed, and what every rank ends with, is the same to the bit on a device whose memory and queue are its own:
// alone, with others of its kind, and with ranks that compute on the host.
func TestAcceleratorsTrainTheSameBits(t *testing.T) {
	worlds := []int{1, 2, 4, 12} // of 12, two have no sample of the last step
	if testing.Short() {
		worlds = worlds[1:2]
	}
	for name, cfg := range accelerated() {
		t.Run(name, func(t *testing.T) {
			cfg.CheckpointEvery = 4
			keeps := func(rank int, w *Worker) { w.OnState = func(State) error { return nil } }
			for _, world := range worlds {
				want := trainOnFleet(t, cfg, world, hosts, keeps)
				sameOutcome(t, trainOnFleet(t, cfg, world, accelerators, keeps), want)
				if world > 1 {
					sameOutcome(t, trainOnFleet(t, cfg, world, mixed, keeps), want)
				}
			}
		})
	}
}

// A state that was kept on accelerators is that of hosts, and the other way round.
func TestAcceleratorsResume(t *testing.T) {
	feedback, factors := everything(), everything()
	feedback.Wire, feedback.ErrorFeedback, feedback.ShardOptimizer = "int8", "on", true
	factors.Model, factors.PowerSGD = denseName, 2
	configs := map[string]Config{"everything": everything(), "feedback": feedback, "factors": factors}
	if testing.Short() {
		delete(configs, "factors")
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			straight := trainOnFleet(t, cfg, 3, hosts, nil)
			half := cfg
			half.MaxSteps, half.CheckpointEvery = 9, 4
			for i, devices := range [][2]fleet{{accelerators, accelerators}, {accelerators, hosts}, {hosts, mixed}} {
				var states []kept
				trainOnFleet(t, half, 3, devices[0], keep(&states))
				for _, k := range resumed(states) {
					for rank, o := range trainOnFleet(t, cfg, 3, devices[1], k.from(t)) {
						want := straight[rank]
						if !slices.Equal(o.values, want.values) || !slices.Equal(o.optimizer, want.optimizer) || !slices.Equal(o.moments, want.moments) ||
							!slices.Equal(o.residual, want.residual) || !reflect.DeepEqual(withoutTimes(o.epochs), withoutTimes(want.epochs[k.steps/6:])) {
							t.Errorf("fleets %d, from step %d: rank %d ends with other numbers", i, k.steps, rank)
						}
					}
				}
			}
		})
	}
}

// A second Run goes on with the parameters that the first has left on the accelerator.
func TestAnAcceleratorRunsOn(t *testing.T) {
	var values [2][]float32
	for i, devices := range []fleet{hosts, accelerators} {
		cfg := testConfig()
		cfg.Epochs, cfg.MaxSteps = 2, 3
		out := trainOnFleet(t, cfg, 2, devices, func(rank int, w *Worker) {
			if err := w.Run(t.Context()); err != nil {
				t.Error(err)
			}
			w.MaxSteps = 5
		})
		values[i] = out[1].values
	}
	if !slices.Equal(values[0], values[1]) {
		t.Error("other parameters than on hosts")
	}
}

// A rank whose parameters have gone bad stops all before any has updated, mixed or not.
func TestNonFiniteLossStopsAccelerators(t *testing.T) {
	for _, devices := range []fleet{accelerators, mixed} {
		for _, change := range []func(*Config){func(*Config) {}, func(c *Config) { c.ClipNorm, c.Accumulate = 1, 2 }, func(c *Config) { c.ShardOptimizer = true }} {
			cfg := testConfig()
			cfg.LearningRate = 1e38
			change(&cfg)
			ring := allreduce.DefaultConfig()
			ring.Job, ring.View, ring.WorldSize = "test", 1, 3
			_, errs := trainFleet(t, ring, cfg, specOf(t, cfg.Model), devices, nil)
			for rank, err := range errs {
				var e *NonFiniteError
				if !errors.As(err, &e) || e.Step != 2 || err.Error() != errs[0].Error() {
					t.Errorf("rank %d ends with %v", rank, err)
				}
			}
		}
	}
}

// A bit that changes in an accelerator's memory alone is found.
func TestOneWrongBitOnAnAcceleratorIsFound(t *testing.T) {
	ring := allreduce.DefaultConfig()
	ring.Job, ring.View, ring.WorldSize = "test", 1, 2
	_, errs := trainFleet(t, ring, testConfig(), smallSpec, accelerators, func(rank int, w *Worker) {
		if rank == 1 {
			w.OnStep = func(s Step) {
				if s.Step == 2 {
					if err := w.Device.(op.Accelerator).Put(w.params.Values.Slice(7, 1), []float32{9}); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
	for rank, err := range errs {
		if !errors.Is(err, ErrDiverged) && !errors.Is(err, allreduce.ErrNeighbourLost) && !errors.Is(err, allreduce.ErrAborted) {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

// counter counts what an accelerator is asked to wait for or to copy.
type counter struct {
	*acceltest.Device
	pulls, pushes, gets int
}

func (c *counter) StartPull(b op.Buffer) (op.Transfer, error) {
	c.pulls++
	return c.Device.StartPull(b)
}
func (c *counter) StartPush(b op.Buffer) error        { c.pushes++; return c.Device.StartPush(b) }
func (c *counter) Get(v []float32, b op.Buffer) error { c.gets++; return c.Device.Get(v, b) }

// A rank alone waits for nothing in a step but the loss, and moves no gradient.
func TestAloneAnAcceleratorIsNotWaitedFor(t *testing.T) {
	cfg := testConfig()
	cfg.Epochs, cfg.CheckEvery = 1, 0
	device := &counter{Device: acceltest.New()}
	var inStep []counter
	trainOnFleet(t, cfg, 1, func(int) op.Device { return device }, func(_ int, w *Worker) {
		w.OnStep = func(Step) { inStep = append(inStep, *device) }
	})
	first, last := inStep[0], inStep[len(inStep)-1]
	if steps := len(inStep) - 1; last.pulls-first.pulls != steps || last.pushes != first.pushes || last.gets != first.gets {
		t.Errorf("in %d steps %d pulls, %d pushes, %d gets", steps, last.pulls-first.pulls, last.pushes-first.pushes, last.gets-first.gets)
	}
}

// Buckets of several ranks follow to the host while the backward pass is still to run, and the pass is cut there alone.
func TestPassesAreCutAtBuckets(t *testing.T) {
	cfg := testConfig()
	cfg.Epochs = 1
	for _, bytes := range []int{1, 1000, 1 << 20} {
		cfg.BucketBytes = bytes
		devices := [2]*cutter{{Device: acceltest.New()}, {Device: acceltest.New()}}
		plans := [2]int{}
		trainOnFleet(t, cfg, 2, func(rank int) op.Device { return devices[rank] }, func(rank int, w *Worker) { plans[rank] = len(w.grads.Plan()) })
		// A forward pass in one part, and a backward pass with one for each bucket; but a layer's two gradients are
		// those of one operation.
		const layers = 5
		if want := 1 + min(plans[1], layers); devices[1].parts != want {
			t.Errorf("buckets of %d bytes: %d parts at most, want %d", bytes, devices[1].parts, want)
		}
	}
}

// cutter remembers the largest number of parts.
type cutter struct {
	*acceltest.Device
	parts int
}

func (c *cutter) NewPasses(parts [][]op.Step) ([]op.Pass, error) {
	c.parts = max(c.parts, len(parts))
	return c.Device.NewPasses(parts)
}
