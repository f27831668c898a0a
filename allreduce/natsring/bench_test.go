package natsring_test

import (
	"fmt"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
)

// BenchmarkAllReduce sums over embedded servers, all ranks in one process. busbw is algbw*2(n-1)/n as nccl-tests
// defines it.
func BenchmarkAllReduce(b *testing.B) {
	for _, size := range []int{2, 4} {
		for _, bytes := range []int{4, 61706 * 4, 25_000_000} {
			for _, way := range []struct {
				name   string
				change func(*natsring.Config)
			}{
				{"memory", func(*natsring.Config) {}},
				{"sealed", func(c *natsring.Config) { c.SharedMemory = false; share(c) }},
				{"clear", func(c *natsring.Config) { c.SharedMemory = false }},
			} {
				b.Run(fmt.Sprintf("%s/ranks=%d/bytes=%d", way.name, size, bytes), func(b *testing.B) {
					benchmark(b, ringConfig(size), bytes, way.change)
				})
			}
		}
	}
}

// BenchmarkChunk looks for the best chunk and window.
func BenchmarkChunk(b *testing.B) {
	for name, shared := range map[string]bool{"memory": true, "tcp": false} {
		for _, size := range []int{2, 4} {
			for _, chunk := range []int{32, 64, 128, 256, 512, 1024} {
				for _, frames := range []int{4, 8, 16} {
					b.Run(fmt.Sprintf("%s/ranks=%d/KiB=%d/window=%d", name, size, chunk, frames), func(b *testing.B) {
						cfg := ringConfig(size)
						cfg.ChunkBytes = chunk << 10
						cfg.WindowBytes = frames * cfg.ChunkBytes
						benchmark(b, cfg, 25_000_000, func(c *natsring.Config) { c.SharedMemory = shared })
					})
				}
			}
		}
	}
}

func benchmark(b *testing.B, cfg allreduce.Config, bytes int, change ...func(*natsring.Config)) {
	c := joinAll(b, cfg, "", change...)
	bufs := make([][]float32, cfg.WorldSize)
	for r := range bufs {
		bufs[r] = make([]float32, bytes/4)
	}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	b.ResetTimer()
	err := c.each(func(g *allreduce.Group) error {
		for range b.N {
			if err := g.AllReduce(b.Context(), bufs[g.Rank()]); err != nil {
				return err
			}
		}
		return nil
	})
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	algbw := float64(bytes) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(algbw*2*float64(cfg.WorldSize-1)/float64(cfg.WorldSize)/1e9, "busbw-GB/s")
	if err := c.each(func(g *allreduce.Group) error { return g.Close() }); err != nil {
		b.Fatal(err)
	}
}
