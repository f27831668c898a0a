package shard

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func newSampler(t testing.TB, cfg Config) *Sampler {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// globalBatch joins all ranks' parts of one step in rank order.
func globalBatch(t testing.TB, cfg Config, epoch, step int) []int32 {
	t.Helper()
	var all []int32
	for cfg.Rank = 0; cfg.Rank < cfg.WorldSize; cfg.Rank++ {
		all = append(all, newSampler(t, cfg).Batch(epoch, step, nil)...)
	}
	return all
}

func randomConfig(rng *rand.Rand) Config {
	world := 1 + rng.IntN(9)
	return Config{
		Samples:     1 + rng.IntN(300),
		GlobalBatch: world + rng.IntN(80),
		WorldSize:   world,
		Seed:        rng.Uint64(),
		Shuffle:     rng.IntN(4) > 0,
	}
}

func TestEverySampleExactlyOnceOnEqualSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		cfg := randomConfig(rng)
		epoch := rng.IntN(5)
		seen := make([]int, cfg.Samples)
		steps := newSampler(t, cfg).Steps()
		for cfg.Rank = 0; cfg.Rank < cfg.WorldSize; cfg.Rank++ {
			s := newSampler(t, cfg)
			if s.Steps() != steps {
				t.Fatalf("%+v: %d steps, rank 0 has %d", cfg, s.Steps(), steps)
			}
			for step := range steps {
				batch := s.Batch(epoch, step, nil)
				if most := (cfg.GlobalBatch + cfg.WorldSize - 1) / cfg.WorldSize; len(batch) > most {
					t.Fatalf("%+v step %d: %d samples, want at most %d", cfg, step, len(batch), most)
				}
				for _, i := range batch {
					seen[i]++
				}
			}
			if extra := s.Batch(epoch, steps, nil); len(extra) != 0 || s.GlobalLen(epoch, steps) != 0 {
				t.Fatalf("%+v: a step past the end has samples %v", cfg, extra)
			}
		}
		for i, n := range seen {
			if n != 1 {
				t.Fatalf("%+v epoch %d: sample %d is used %d times", cfg, epoch, i, n)
			}
		}
	}
}

func TestWorldSizeDoesNotChangeTheGlobalBatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		cfg := randomConfig(rng)
		one := cfg
		one.WorldSize = 1
		alone := newSampler(t, one)
		epoch := rng.IntN(5)
		for step := range alone.Steps() {
			want := alone.Batch(epoch, step, nil)
			got := globalBatch(t, cfg, epoch, step)
			if !slices.Equal(got, want) {
				t.Fatalf("%+v step %d: global batch %v, of one rank %v", cfg, step, got, want)
			}
			if alone.GlobalLen(epoch, step) != len(want) {
				t.Fatalf("%+v step %d: GlobalLen %d, batch has %d", cfg, step, alone.GlobalLen(epoch, step), len(want))
			}
		}
	}
}

func TestResumeAtACursorWithAnotherWorldSize(t *testing.T) {
	before := Config{Samples: 1000, GlobalBatch: 64, WorldSize: 4, Seed: 7, Shuffle: true}
	after := before
	after.WorldSize = 3
	const epoch, cursor = 2, 6
	seen := make([]int, before.Samples)
	steps := newSampler(t, before).Steps()
	for step := range steps {
		cfg := before
		if step >= cursor {
			cfg = after
		}
		for _, i := range globalBatch(t, cfg, epoch, step) {
			seen[i]++
		}
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("sample %d is used %d times", i, n)
		}
	}
}

func TestEvaluationCountsEverySampleOnce(t *testing.T) {
	for samples := range 40 {
		for world := 1; world < 12; world++ {
			end := 0
			for rank := range world {
				lo, hi := EvalRange(samples, world, rank)
				if lo != end || hi < lo {
					t.Fatalf("EvalRange(%d, %d, %d) is [%d, %d), the one before ends at %d", samples, world, rank, lo, hi, end)
				}
				end = hi
			}
			if end != samples {
				t.Fatalf("EvalRange(%d, %d, ..) ends at %d", samples, world, end)
			}
		}
	}
}

func TestSmallLastBatchMayBeEmptyOnARank(t *testing.T) {
	s := newSampler(t, Config{Samples: 9, GlobalBatch: 8, WorldSize: 4, Rank: 3})
	if got := s.Batch(0, 1, nil); len(got) != 0 || s.GlobalLen(0, 1) != 1 {
		t.Errorf("batch %v of a global batch of %d", got, s.GlobalLen(0, 1))
	}
	if got := s.Batch(0, 0, nil); !slices.Equal(got, []int32{6, 7}) {
		t.Errorf("unshuffled batch %v", got)
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	s := newSampler(t, Config{Samples: 6000, GlobalBatch: 256, WorldSize: 2, Rank: 1, Seed: 1, Shuffle: true})
	dst := make([]int32, 0, 128)
	epoch, step := 0, 0
	allocs := testing.AllocsPerRun(100, func() {
		dst = s.Batch(epoch, step, dst)
		if step++; step == s.Steps() {
			epoch, step = epoch+1, 0
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a step", allocs)
	}
}

func TestConfigIsRefused(t *testing.T) {
	good := Config{Samples: 10, GlobalBatch: 4, WorldSize: 2}
	for name, change := range map[string]func(*Config){
		"no samples":          func(c *Config) { c.Samples = 0 },
		"too many samples":    func(c *Config) { c.Samples = 1 << 31 },
		"no ranks":            func(c *Config) { c.WorldSize = 0 },
		"rank below":          func(c *Config) { c.Rank = -1 },
		"rank above":          func(c *Config) { c.Rank = 2 },
		"batch below a world": func(c *Config) { c.GlobalBatch = 1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func ExampleSampler_Batch() {
	for rank := range 2 {
		s, err := New(Config{Samples: 10, GlobalBatch: 4, WorldSize: 2, Rank: rank})
		if err != nil {
			fmt.Println(err)
			return
		}
		for step := range s.Steps() {
			fmt.Println("rank", rank, "step", step, s.Batch(0, step, nil))
		}
	}
	// Output:
	// rank 0 step 0 [0 1]
	// rank 0 step 1 [4 5]
	// rank 0 step 2 [8]
	// rank 1 step 0 [2 3]
	// rank 1 step 1 [6 7]
	// rank 1 step 2 [9]
}
