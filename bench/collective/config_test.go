package collective

import (
	"slices"
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	c := Default()
	if got := c.sizes(); len(got) != 19 || got[0] != 1024 || got[18] != 256<<20 {
		t.Errorf("the default sweep is %v", got)
	}
	c.MinBytes, c.MaxBytes, c.Factor = 12, 500, 3
	if got := c.sizes(); !slices.Equal(got, []int64{12, 36, 108, 324}) {
		t.Errorf("got %v", got)
	}
	if err := c.Validate(2); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		ranks  int
		says   string
	}{
		{func(c *Config) {}, 1, "at least 2"},
		{func(c *Config) { c.Op = "scatter" }, 2, "--op \"scatter\": choose one of all-reduce"},
		{func(c *Config) { c.MinBytes = 6 }, 2, "--min-bytes 6"},
		{func(c *Config) { c.MinBytes = 0 }, 2, "--min-bytes 0"},
		{func(c *Config) { c.Op, c.MinBytes = AllGatherBytes, 4 }, 2, "at least 8"},
		{func(c *Config) { c.MaxBytes = 4098 }, 2, "--max-bytes 4098"},
		{func(c *Config) { c.MaxBytes = 512 }, 2, "--max-bytes 512 is below --min-bytes 1024"},
		{func(c *Config) { c.Op = AllGatherBytes }, 2, "at most 134217728"},
		{func(c *Config) { c.Factor = 1 }, 2, "--factor 1"},
		{func(c *Config) { c.WarmUp = 0 }, 2, "--warmup 0"},
		{func(c *Config) { c.Iterations = 0 }, 2, "--iters 0"},
		{func(c *Config) { c.Duration = -1 }, 2, "--duration -1ns"},
		{func(c *Config) { c.Numbers = Numbers{ExactBits: 8} }, 500, "500 ranks"},
	} {
		cfg := Default()
		c.change(&cfg)
		if err := cfg.Validate(c.ranks); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
	}
}
