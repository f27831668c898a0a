package allreduce_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// BenchmarkAllReduce sums over the in-memory ring: what the protocol costs without a network. busbw is algbw*2(n-1)/n
// as nccl-tests defines it.
func BenchmarkAllReduce(b *testing.B) {
	for _, size := range []int{2, 4} {
		for _, bytes := range []int{4, 61706 * 4, 25_000_000} {
			b.Run(fmt.Sprintf("ranks=%d/bytes=%d", size, bytes), func(b *testing.B) {
				groups, bufs := benchRing(size, bytes)
				defer allreducetest.CloseAll(groups)
				b.SetBytes(int64(bytes))
				b.ReportAllocs()
				b.ResetTimer()
				if err := sumTimes(b, groups, bufs, b.N); err != nil {
					b.Fatal(err)
				}
				algbw := float64(bytes) * float64(b.N) / b.Elapsed().Seconds()
				b.ReportMetric(algbw*2*float64(size-1)/float64(size)/1e9, "busbw-GB/s")
			})
		}
	}
}

func benchRing(size, bytes int) ([]*allreduce.Group, [][]float32) {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.WorldSize = "bench", size
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	bufs := make([][]float32, size)
	for r := range bufs {
		bufs[r] = make([]float32, bytes/4)
	}
	return groups, bufs
}

func sumTimes(tb testing.TB, groups []*allreduce.Group, bufs [][]float32, times int) error {
	return errors.Join(allreducetest.Run(groups, func(g *allreduce.Group) error {
		for range times {
			if err := g.AllReduce(tb.Context(), bufs[g.Rank()]); err != nil {
				return err
			}
		}
		return nil
	})...)
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	// With the race detector the sums of long vectors take seconds, and the count of allocations is as telling with
	// short ones.
	groups, bufs := benchRing(3, allreducetest.Amount(1<<16, 1<<20, 1<<20))
	defer allreducetest.CloseAll(groups)
	const times = 200
	if err := sumTimes(t, groups, bufs, times); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := sumTimes(t, groups, bufs, times); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Starting the goroutines of the second run allocates too, so a few allocations are allowed in all, but not one per
	// collective.
	if n := after.Mallocs - before.Mallocs; n >= times {
		t.Errorf("%d allocations in %d collectives of 3 ranks", n, times)
	}
}
