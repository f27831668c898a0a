package train

import (
	"errors"
	"math"
	"slices"
	"testing"

	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/codec"
)

func denseConfig() Config {
	cfg := testConfig()
	cfg.Model, cfg.Epochs, cfg.BucketBytes = denseName, 15, 1000
	return cfg
}

// way is a way in which gradients travel, and by how much the mean loss of an epoch may differ from float32's: in any epoch,
// and in the last.
type way struct {
	change     func(*Config)
	curve, end float64
}

func ways() map[string]way {
	all := map[string]way{
		"sharded":            {func(c *Config) { c.ShardOptimizer = true }, 0, 0},
		"sharded int8":       {func(c *Config) { c.ShardOptimizer, c.Wire = true, "int8" }, 0.005, 0.001},
		"bf16 with feedback": {func(c *Config) { c.Wire, c.ErrorFeedback = "bf16", "on" }, 0.005, 0.001},
		"powersgd 2":         {func(c *Config) { c.PowerSGD = 2 }, 1, 0.05},
		"powersgd 4":         {func(c *Config) { c.PowerSGD = 4 }, 0.5, 0.02},
		"powersgd 4 later":   {func(c *Config) { c.PowerSGD, c.PowerSGDStart = 4, 12 }, 0.25, 0.02},
		"powersgd 4 int8":    {func(c *Config) { c.PowerSGD, c.Wire = 4, "int8" }, 0.5, 0.02},
	}
	for _, f := range codec.Formats() {
		w := way{func(c *Config) { c.Wire = f.String() }, 0.005, 0.001}
		if !f.Lossy() {
			w.curve, w.end = 0, 0
		}
		all[f.String()] = w
	}
	return all
}

// A network learns the stripes, whichever way the gradients of two ranks travel. With -short it has not learnt them by the end,
// and how far the lossy ways are from the others is not judged.
func TestEveryWayConverges(t *testing.T) {
	cfg := denseConfig()
	cfg.Epochs = allreducetest.Amount(3, 15, 15) // 6 steps each
	exact, errs := trainRing(t, cfg, 2, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := exact[0].epochs
	if first, last := want[0].Loss, want[len(want)-1].Loss; first < 2 || !testing.Short() && last > 0.02 {
		t.Fatalf("float32 comes from a loss of %v to %v: the margins of the others mean nothing", first, last)
	}
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			way.change(&cfg)
			out, errs := trainRing(t, cfg, 2, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, e := range out[0].epochs {
				worst = max(worst, math.Abs(e.Loss-want[i].Loss))
			}
			last := len(want) - 1
			end := math.Abs(out[0].epochs[last].Loss - want[last].Loss)
			t.Logf("an epoch's mean loss differs from float32's by %.6f at most, the last by %.6f", worst, end)
			if exact := way.curve == 0; (exact || !testing.Short()) && (worst > way.curve || end > way.end) {
				t.Errorf("that is beyond %v or %v", way.curve, way.end)
			}
			if !slices.Equal(out[0].values, out[1].values) {
				t.Error("the ranks end with other parameters")
			}
			if exactly := slices.Equal(out[0].values, exact[0].values); exactly != (way.curve == 0) {
				t.Errorf("the parameters are those of float32: %v", exactly)
			}
		})
	}
}

// With plain SGD the parameters move by the rate times the sums that have arrived: these and what the ranks have yet to add
// make up all gradients that they computed.
func TestFeedbackLosesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		lossy  bool
	}{
		"int8":              {func(c *Config) { c.Wire = "int8" }, false},
		"int8 without":      {func(c *Config) { c.Wire, c.ErrorFeedback = "int8", "off" }, true},
		"sharded int8":      {func(c *Config) { c.Wire, c.ShardOptimizer = "int8", true }, false},
		"bf16":              {func(c *Config) { c.Wire, c.ErrorFeedback = "bf16", "on" }, false},
		"bf16 without":      {func(c *Config) { c.Wire = "bf16" }, true},
		"powersgd":          {func(c *Config) { c.PowerSGD = 2 }, false},
		"powersgd and int8": {func(c *Config) { c.PowerSGD, c.PowerSGDStart, c.Wire = 5, 3, "int8" }, false},
	} {
		cfg := denseConfig()
		cfg.Optimizer, cfg.Momentum, cfg.LearningRate, cfg.Epochs = "sgd", 0, 0.1, 2
		c.change(&cfg)
		const world = 3
		computed, moved := make([][]float64, world), make([]float32, 0)
		out, errs := trainRing(t, cfg, world, func(rank int, w *Worker) {
			if rank == 0 {
				moved = slices.Clone(w.values())
			}
			computed[rank] = make([]float64, len(w.values()))
			ready := w.ready
			w.ready = func(p int) {
				for i, g := range w.params.Grad(p).Host {
					computed[rank][w.params.List[p].Offset+i] += float64(g)
				}
				ready(p)
			}
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		var lost, all float64
		for i, v := range out[0].values {
			arrived := float64(moved[i]-v) / cfg.LearningRate
			due := 0.0
			for rank, o := range out {
				due += computed[rank][i]
				if o.residual != nil {
					due -= float64(o.residual[i])
				}
			}
			lost += (arrived - due) * (arrived - due)
			all += due * due
		}
		relative := math.Sqrt(lost / all)
		t.Logf("%s: %.2g of the gradients' sum has gone astray", name, relative)
		if lossy := relative > 2e-5; lossy != c.lossy {
			t.Errorf("%s: %v of the gradients' sum has gone astray", name, relative)
		}
	}
}

// Every rank's residuals are part of the state, so a run goes on to the bit; with another number of ranks, rank 0 takes over
// what they all have yet to add.
func TestResidualsAreResumed(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"int8":          func(c *Config) { c.Wire = "int8" },
		"sharded bf16":  func(c *Config) { c.Wire, c.ErrorFeedback, c.ShardOptimizer = "bf16", "on", true },
		"powersgd":      func(c *Config) { c.PowerSGD = 2 },
		"powersgd int8": func(c *Config) { c.PowerSGD, c.PowerSGDStart, c.Wire, c.ClipNorm = 3, 8, "int8", 1 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := denseConfig()
			cfg.Epochs, cfg.Optimizer, cfg.LearningRate = 3, "sgd", 0.02
			change(&cfg)
			straight, errs := trainRing(t, cfg, 3, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			var states []kept
			half := cfg
			half.MaxSteps, half.CheckpointEvery = 9, 7
			if _, errs := trainRing(t, half, 3, keep(&states)); errors.Join(errs...) != nil {
				t.Fatal(errors.Join(errs...))
			}
			for _, k := range resumed(states) {
				out, errs := trainRing(t, cfg, 3, k.from(t))
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				for rank, o := range out {
					if !slices.Equal(o.values, straight[rank].values) || !slices.Equal(o.residual, straight[rank].residual) {
						t.Errorf("from step %d: rank %d ends with other parameters or residuals", k.steps, rank)
					}
				}
			}
			last := states[len(states)-1]
			total := make([]float32, len(last.values))
			for _, r := range last.memory.Residuals {
				if l2(r) == 0 {
					t.Error("a rank has lost nothing, so this tests nothing")
				}
				addInto(total, r)
			}
			got := make([][]float32, 2)
			cfg.MaxSteps = last.steps + 1
			_, errs = trainRing(t, cfg, 2, func(rank int, w *Worker) {
				last.from(t)(rank, w)
				w.OnStep = nil
				ready := w.ready
				w.ready = func(p int) { // before the first bucket starts
					if got[rank] == nil {
						got[rank] = residualOf(w)
					}
					ready(p)
				}
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got[0], total) || l2(got[1]) != 0 {
				t.Errorf("two ranks begin with residuals of norms %v and %v, want %v and 0", l2(got[0]), l2(got[1]), l2(total))
			}
		})
	}
}
