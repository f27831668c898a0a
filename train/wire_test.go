package train

import (
	"errors"
	"math"
	"slices"
	"testing"

	"ringloom/allreduce/codec"
	"ringloom/models"
)

func mustLookup(t *testing.T, model string) models.Spec {
	t.Helper()
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// ways are the ways in which gradients travel, and by how much their final loss may be above float32's.
func ways() map[string]struct {
	change func(*Config)
	margin float64
} {
	type way = struct {
		change func(*Config)
		margin float64
	}
	all := map[string]way{
		"sharded":            {func(c *Config) { c.ShardOptimizer = true }, 0},
		"sharded int8":       {func(c *Config) { c.ShardOptimizer, c.Wire = true, "int8" }, 0.05},
		"bf16 with feedback": {func(c *Config) { c.Wire, c.ErrorFeedback = "bf16", "on" }, 0.02},
		"powersgd 2":         {func(c *Config) { c.PowerSGD = 2 }, 0.05},
		"powersgd 4 later":   {func(c *Config) { c.PowerSGD, c.PowerSGDStart = 4, 10 }, 0.05},
		"powersgd 4 int8":    {func(c *Config) { c.PowerSGD, c.Wire = 4, "int8" }, 0.05},
	}
	for _, f := range codec.Formats() {
		margin := map[codec.Format]float64{codec.Float32: 0, codec.BF16: 0.02, codec.FP16: 0.01, codec.Int8: 0.05}[f]
		all[f.String()] = way{func(c *Config) { c.Wire = f.String() }, margin}
	}
	return all
}

func denseConfig() Config {
	cfg := testConfig()
	cfg.Model, cfg.Epochs, cfg.BucketBytes = denseName, 5, 2000
	return cfg
}

// A network learns the stripes in five epochs of six steps, whichever way the gradients of two ranks travel.
func TestEveryWayConverges(t *testing.T) {
	cfg := denseConfig()
	exact, errs := trainRing(t, cfg, 2, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	end := func(o outcome) float64 { return o.epochs[len(o.epochs)-1].Loss }
	want := end(exact[0])
	t.Logf("float32 ends at %.4f from %.4f", want, exact[0].epochs[0].Loss)
	if want > 0.5 {
		t.Fatalf("float32 ends at a loss of %v: the margins of the others mean nothing", want)
	}
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			way.change(&cfg)
			out, errs := trainRing(t, cfg, 2, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+.5f", end(out[0])-want)
			if math.Abs(end(out[0])-want) > way.margin {
				t.Errorf("ends at a loss of %v, float32 at %v", end(out[0]), want)
			}
			if !slices.Equal(out[0].values, out[1].values) {
				t.Error("the ranks end with other parameters")
			}
			if exactly := slices.Equal(out[0].values, exact[0].values); exactly != (way.margin == 0) {
				t.Errorf("the parameters are those of float32: %v", exactly)
			}
		})
	}
}
