//go:build onednn && cgo

package onednn

import (
	"fmt"
	"math"
	"testing"
	"time"

	"ringloom/nn/op"
)

// BenchmarkLenetOps times each operation of a LeNet step on one thread, convolutions and poolings by every algorithm
// that they can be computed: the figures behind choose.go.
func BenchmarkLenetOps(b *testing.B) {
	for _, batch := range []int{256, 128} {
		d := openLocked(b, 1)
		for i, spec := range lenetStep(batch) {
			for _, a := range d.candidates(spec) {
				k := bind(b, d, spec, a)
				b.Run(fmt.Sprintf("batch=%d/%02d-%s/%s(%s)", batch, i, spec.Kind(), a, k.impl()), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						k.run(b)
					}
					if f := op.FLOPs(spec); f > 0 {
						b.ReportMetric(float64(f)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
					}
				})
			}
		}
	}
}

// BenchmarkLenetStep runs all kernels of a step one after the other, each with buffers of its own, as a training step
// does but for the optimizer. Shared machines lose a core for moments: the best step is reported beside the mean.
func BenchmarkLenetStep(b *testing.B) {
	for _, batch := range []int{256, 128, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			d := openLocked(b, 1)
			var step []bound
			for _, spec := range lenetStep(batch) {
				step = append(step, bind(b, d, spec, d.choose(spec)))
			}
			best := time.Duration(math.MaxInt64)
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				for _, k := range step {
					k.run(b)
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(batch)/best.Seconds(), "best-images/s")
		})
	}
}
