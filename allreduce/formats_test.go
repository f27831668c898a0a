package allreduce_test

import (
	"math"
	"testing"
	"testing/synctest"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/codec"
)

func TestEveryFormatMatchesTheOracleOnEveryRank(t *testing.T) {
	for _, f := range codec.Formats() {
		for size := 2; size <= 5; size++ {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig(size)
				cfg.ChunkBytes, cfg.WindowBytes = 600, 2400
				groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
				defer allreducetest.CloseAll(groups)
				for _, length := range []int{0, 1, 5, 256, 1009, 4096} {
					v := vectors(size, length, 3)
					want := allreducetest.Sum(cfg, v, f, nil)
					noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
						return g.StartAllReduce(v[g.Rank()], allreduce.Sum{Format: f}).Wait(t.Context())
					}))
					for r := range v {
						if !sameBits(v[r], want) {
							t.Fatalf("%v, size %d, length %d: rank %d has another sum than the oracle", f, size, length, r)
						}
					}
				}
			})
		}
	}
}

// TestErrorFeedbackAddsUp sums the same gradients again and again: the mean of what comes out must tend to the exact
// sum, where without feedback the error stays.
func TestErrorFeedbackAddsUp(t *testing.T) {
	const size, length, rounds = 3, 700, 50
	mean := func(feedback bool) float64 {
		groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		in := vectors(size, length, 4)
		out := make([]float64, length)
		noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
			s := allreduce.Sum{Format: codec.Int8}
			if feedback {
				s.Residual = make([]float32, length)
			}
			for range rounds {
				v := append([]float32{}, in[g.Rank()]...)
				if err := g.StartAllReduce(v, s).Wait(t.Context()); err != nil {
					return err
				}
				if g.Rank() == 0 {
					for i := range v {
						out[i] += float64(v[i]) / rounds
					}
				}
			}
			return nil
		}))
		exact, off := ringSum(in), 0.0
		for i := range out {
			off += math.Abs(out[i] - float64(exact[i]))
		}
		return off / length
	}
	with, without := mean(true), mean(false)
	if with > without/5 {
		t.Errorf("the mean is off by %v with feedback and by %v without", with, without)
	}
}

func TestReduceScatterAndAllGatherAreTheHalvesOfAnAllReduce(t *testing.T) {
	for _, rings := range []int{1, 3} {
		for size := 2; size <= allreducetest.Amount(3, 5, 5); size++ {
			cfg := testConfig(size)
			cfg.Rings = rings
			groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
			for _, length := range []int{0, 1, 4, 1000, allreduce.StripeBytes/4*rings + 5} {
				v, whole := vectors(size, length, 5), vectors(size, length, 5)
				noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
					if err := g.StartAllReduce(whole[g.Rank()], allreduce.Sum{}).Wait(t.Context()); err != nil {
						return err
					}
					own := v[g.Rank()]
					if err := g.StartReduceScatter(own, allreduce.Sum{Bucket: 1}).Wait(t.Context()); err != nil {
						return err
					}
					kept := make([]float32, length) // all but the own shard is of no use
					for _, s := range g.Shard(length, g.Rank()) {
						copy(kept[s.From:s.To], own[s.From:s.To])
					}
					copy(own, kept)
					return g.StartAllGather(own, 2).Wait(t.Context())
				}))
				for r := range v {
					if !sameBits(v[r], whole[0]) {
						t.Fatalf("%d rings, size %d, length %d: rank %d has another sum", rings, size, length, r)
					}
				}
			}
			allreducetest.CloseAll(groups)
		}
	}
}

func TestShardsMakeUpTheVector(t *testing.T) {
	cfg := testConfig(4)
	cfg.Rings = 3
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	for _, length := range []int{0, 1, 3, 10, 50_000, 50_003} {
		owners := make([]int, length)
		for r := range groups {
			for _, s := range groups[0].Shard(length, r) {
				for i := s.From; i < s.To; i++ {
					owners[i]++
				}
			}
		}
		for i, n := range owners {
			if n != 1 {
				t.Fatalf("length %d: element %d has %d owners", length, i, n)
			}
		}
	}
}

func TestSeveralRingsShareAVector(t *testing.T) {
	cfg := testConfig(3)
	cfg.Rings, cfg.ChunkBytes, cfg.WindowBytes = 4, 1<<10, 8<<10
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	const length = allreduce.StripeBytes + 77
	v := vectors(3, length, 8)
	sent := groups[0].Stats().FramesSent
	noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error { return g.AllReduce(t.Context(), v[g.Rank()]) }))
	for r := 1; r < 3; r++ {
		if !sameBits(v[r], v[0]) {
			t.Fatalf("rank %d has another sum", r)
		}
	}
	if n := groups[0].Stats(); n.Collectives != 4 || n.FramesSent == sent {
		t.Errorf("%d parts in %d frames; 4 parts were due", n.Collectives, n.FramesSent)
	}
}

func TestAFailureOfOneRingEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(3)
		cfg.Rings = 3
		groups, first := allreducetest.Groups(cfg, allreducetest.Faults{})
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			if g.Rank() == 1 {
				first[1].Kill()
			}
			return g.AllReduce(t.Context(), make([]float32, allreduce.StripeBytes))
		})
		for r, err := range errs {
			if err == nil {
				t.Errorf("rank %d ended without an error", r)
			}
			if groups[r].Err() == nil {
				t.Errorf("the group of rank %d lives", r)
			}
		}
		allreducetest.CloseAll(groups)
	})
}
