package allreduce_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

func testConfig(size int) allreduce.Config {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize = "test", 7, size
	cfg.ChunkBytes, cfg.WindowBytes = 64, 256
	return cfg
}

// vectors draws one vector a rank. Values are random, so that the order of the additions shows in the result.
func vectors(size, length int, seed uint64) [][]float32 {
	random := rand.New(rand.NewPCG(seed, uint64(length)))
	v := make([][]float32, size)
	for r := range v {
		v[r] = make([]float32, length)
		for i := range v[r] {
			v[r][i] = random.Float32()*2 - 1
		}
	}
	return v
}

// ringSum is the naive oracle: segment j is summed from rank j on, round the ring, in float32.
func ringSum(in [][]float32) []float32 {
	size, length := len(in), len(in[0])
	sum := make([]float32, length)
	i := 0
	for j := range size {
		end := i + length/size
		if j < length%size {
			end++
		}
		for ; i < end; i++ {
			sum[i] = in[j][i]
			for k := 1; k < size; k++ {
				sum[i] += in[(j+k)%size][i]
			}
		}
	}
	return sum
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func noErrors(t *testing.T, errs []error) {
	t.Helper()
	for r, err := range errs {
		if err != nil {
			t.Errorf("rank %d: %v", r, err)
		}
	}
}

func TestAllReduceMatchesTheOracleOnEveryRank(t *testing.T) {
	for size := 2; size <= 8; size++ {
		synctest.Test(t, func(t *testing.T) {
			groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
			defer allreducetest.CloseAll(groups)
			for _, length := range []int{0, 1, 2, 3, 7, 16, 31, 127, 128, 129, 1009, 4096} {
				v := vectors(size, length, 1)
				want := ringSum(v)
				noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
					return g.AllReduce(t.Context(), v[g.Rank()])
				}))
				for r := range v {
					if !sameBits(v[r], want) {
						t.Fatalf("size %d length %d: rank %d has another sum than the oracle", size, length, r)
					}
				}
			}
		})
	}
}

func TestBucketsInTheBackgroundKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4
		lengths := []int{5, 1000, 0, 333, 1, 90, 2000}
		groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		for round := range 20 {
			var in [][][]float32
			var want [][]float32
			for b, n := range lengths {
				in = append(in, vectors(size, n, uint64(round*100+b)))
				want = append(want, ringSum(in[b]))
			}
			noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
				var pending []*allreduce.Pending
				for b := range lengths {
					pending = append(pending, g.StartAllReduce(in[b][g.Rank()], allreduce.Sum{Bucket: b}))
					if (b+round+g.Rank())%3 == 0 { // ranks wait at different points
						if err := pending[0].Wait(t.Context()); err != nil {
							return err
						}
						pending = pending[1:]
					}
				}
				for _, p := range pending {
					if err := p.Wait(t.Context()); err != nil {
						return err
					}
				}
				return nil
			}))
			for b := range lengths {
				for r := range size {
					if !sameBits(in[b][r], want[b]) {
						t.Fatalf("round %d bucket %d rank %d differs", round, b, r)
					}
				}
			}
		}
	})
}

func TestBroadcastFromEveryRoot(t *testing.T) {
	for size := 2; size <= 5; size++ {
		synctest.Test(t, func(t *testing.T) {
			groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
			defer allreducetest.CloseAll(groups)
			for root := range size {
				for _, length := range []int{0, 1, 16, 1009} {
					v := vectors(size, length, uint64(root))
					want := slices.Clone(v[root])
					noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
						return g.Broadcast(t.Context(), v[g.Rank()], root)
					}))
					for r := range v {
						if !sameBits(v[r], want) {
							t.Fatalf("size %d root %d length %d: rank %d differs", size, root, length, r)
						}
					}
				}
			}
		})
	}
}

func TestGatherGivesEveryRankAllParts(t *testing.T) {
	for size := 2; size <= 5; size++ {
		synctest.Test(t, func(t *testing.T) {
			groups, _ := allreducetest.Groups(testConfig(size), allreducetest.Faults{})
			defer allreducetest.CloseAll(groups)
			part := func(r int) []byte {
				b := make([]byte, []int{0, 1, 64, 65, 1000}[r])
				for i := range b {
					b[i] = byte(i*7 + r)
				}
				return b
			}
			noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
				got, err := g.AllGatherBytes(t.Context(), part(g.Rank()))
				if err != nil {
					return err
				}
				for r := range size {
					if !slices.Equal(got[r], part(r)) {
						return fmt.Errorf("part of rank %d differs", r)
					}
				}
				b, err := g.BroadcastBytes(t.Context(), part(g.Rank()), size-1)
				if err == nil && !slices.Equal(b, part(size-1)) {
					err = errors.New("broadcast bytes differ")
				}
				return err
			}))
		})
	}
}

func TestBarrierWaitsForTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(5), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		start := time.Now()
		noErrors(t, allreducetest.Run(groups, func(g *allreduce.Group) error {
			if g.Rank() == 3 {
				<-time.After(10 * time.Second) // fake time
			}
			if err := g.Barrier(t.Context()); err != nil {
				return err
			}
			if time.Since(start) != 10*time.Second {
				return fmt.Errorf("left the barrier after %v", time.Since(start))
			}
			return nil
		}))
	})
}

// A sum is complete when the last rank has come, however late Wait looks.
func TestTimesOfACollective(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(2), allreducetest.Faults{})
		defer allreducetest.CloseAll(groups)
		begin := time.Now()
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			late := time.Duration(g.Rank()) * time.Second
			time.Sleep(late)
			p := g.StartAllReduce(make([]float32, 100), allreduce.Sum{})
			time.Sleep(5 * time.Second)
			if err := p.Wait(t.Context()); err != nil {
				return err
			}
			started, finished := p.Times()
			if started.Sub(begin) != late || finished.Sub(begin) != time.Second {
				return fmt.Errorf("started after %v and finished after %v, want %v and 1s", started.Sub(begin), finished.Sub(begin), late)
			}
			return nil
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}
