//go:build onednn && cgo

package onednn

import (
	"fmt"
	"testing"
	"time"

	"ringloom/nn/op"
)

// BenchmarkConvSmallChannels times the first layers of the networks: every algorithm, best run of each.
func BenchmarkConvSmallChannels(b *testing.B) {
	for _, l := range []struct {
		name                             string
		n, side, in, out, k, stride, pad int
	}{
		{"vgg-tiny-0", 64, 224, 1, 4, 3, 1, 1}, {"vgg-tiny-3", 64, 112, 4, 8, 3, 1, 1}, {"vgg-tiny-6", 64, 56, 8, 16, 3, 1, 1},
		{"vgg-tiny-8", 64, 56, 16, 16, 3, 1, 1}, {"vgg-tiny-11", 64, 28, 16, 32, 3, 1, 1}, {"vgg-tiny-13", 64, 28, 32, 32, 3, 1, 1},
		{"vgg-tiny-16", 64, 14, 32, 32, 3, 1, 1},
		{"vgg-tiny-96-0", 64, 96, 1, 4, 3, 1, 1}, {"vgg-tiny-96-3", 64, 48, 4, 8, 3, 1, 1}, {"vgg-tiny-96-6", 64, 24, 8, 16, 3, 1, 1},
		{"vgg-tiny-96-8", 64, 24, 16, 16, 3, 1, 1}, {"vgg-tiny-96-11", 64, 12, 16, 32, 3, 1, 1}, {"vgg-tiny-96-13", 64, 12, 32, 32, 3, 1, 1},
		{"vgg-tiny-96-16", 64, 6, 32, 32, 3, 1, 1},
		{"vgg11", 16, 224, 1, 64, 3, 1, 1}, {"alexnet", 16, 224, 1, 96, 11, 4, 1}, {"googlenet", 16, 224, 1, 64, 7, 2, 3},
		{"googlenet-96", 64, 96, 1, 64, 7, 2, 3}, {"vgg11-96", 64, 96, 1, 64, 3, 1, 1},
	} {
		c := windowed(op.Image{N: l.n, H: l.side, W: l.side, C: l.in}, l.out, 0, l.k, l.k, l.stride, l.pad, l.pad)
		for _, spec := range []op.Spec{op.ConvForward{Conv: c, ReLU: true}, op.ConvBackwardData{Conv: c, Gather: op.Gather{Mask: true}},
			op.ConvBackwardWeights{Conv: c}} {
			if _, pass := convolution(spec); pass == backwardData && l.in == 1 {
				continue // nothing trains an image's pixels
			}
			b.Run(fmt.Sprintf("%s/%s", l.name, spec.Kind()), func(b *testing.B) {
				benchSmallChannels(b, openLocked(b, 1), spec)
			})
		}
	}
}

func benchSmallChannels(b *testing.B, d *Device, spec op.Spec) {
	var kernels []bound
	algorithms := d.candidates(spec)
	for _, a := range algorithms {
		kernels = append(kernels, bind(b, d, spec, a))
	}
	best := make([]time.Duration, len(algorithms))
	for b.Loop() {
		for i, k := range kernels {
			start := time.Now()
			k.run(b)
			if t := time.Since(start); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, a := range algorithms {
		b.ReportMetric(best[i].Seconds()*1e3, "ms-"+a.String())
		b.ReportMetric(float64(op.FLOPs(spec))/best[i].Seconds()/1e9, "GFLOP/s-"+a.String())
	}
}
