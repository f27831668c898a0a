package measure

import (
	"strings"
	"testing"
	"time"
)

func TestStepsFitIntoTheDuration(t *testing.T) {
	c := DefaultConfig()
	c.Duration = time.Second
	for seconds, want := range map[float64]int{0.1: 10, 2: MinSteps, 0: MaxSteps, 1e-9: MaxSteps} {
		if got := c.steps(seconds); got != want {
			t.Errorf("%v s a step: %d steps, want %d", seconds, got, want)
		}
	}
	c.Steps = 7
	if got := c.steps(100); got != 7 {
		t.Errorf("%d steps where 7 were asked for", got)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"training set has 60000": func(c *Config) { c.GlobalBatches = []int{60_001} },
		"--global-batch 1":       func(c *Config) { c.GlobalBatches = []int{1} },
		"--warmup 1":             func(c *Config) { c.WarmUp = 1 },
		"--steps -1":             func(c *Config) { c.Steps = -1 },
		"--duration 0s":          func(c *Config) { c.Duration = 0 },
		"--bucket-bytes -1":      func(c *Config) { c.BucketBytes = -1 },
		"all-reduce of 6 bytes":  func(c *Config) { c.Collectives = []int64{6} },
		"4096 bytes twice":       func(c *Config) { c.Collectives = []int64{4096, 4096} },
		"a model and":            func(c *Config) { c.GlobalBatches = nil },
	} {
		c := config(t, "lenet", 64)
		c.Steps = 0
		if err := c.Validate(2); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(2); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// Every step must have the same number of images.
func TestSetsAreWholeBatches(t *testing.T) {
	for _, blind := range []bool{false, true} {
		training, test := sets(nil, blind, 7_000, 3, 1)
		if training.N != 56_000 || test.N != 3 {
			t.Errorf("%d and %d images", training.N, test.N)
		}
		varied := false
		for _, label := range training.Labels {
			varied = varied || label != training.Labels[0]
			if label > 9 {
				t.Fatalf("label %d", label)
			}
		}
		if varied == blind {
			t.Errorf("blind %v: labels varied %v", blind, varied)
		}
	}
}
