//go:build onednn && cgo

package onednn

import (
	"fmt"
	"testing"
	"time"

	"ringloom/nn/op"
)

type gemmLayer struct {
	name string
	conv op.Conv
}

// gemmLayers are the layers with the most arithmetic of the networks, at the batch sizes that they are measured with.
func gemmLayers() []gemmLayer {
	at := func(n, side, in, out, kernel, pad int) op.Conv {
		return convOf(op.Image{N: n, H: side, W: side, C: in}, out, kernel, kernel, pad)
	}
	return []gemmLayer{
		{"alexnet-conv3", at(128, 26, 96, 256, 5, 2)},
		{"alexnet-conv6", at(128, 12, 256, 384, 3, 1)},
		{"alexnet-conv8", at(128, 12, 384, 384, 3, 1)},
		{"alexnet-conv10", at(128, 12, 384, 256, 3, 1)},
		{"vgg-64", at(16, 112, 64, 128, 3, 1)},
		{"vgg-256", at(16, 56, 256, 256, 3, 1)},
		{"vgg-512", at(32, 14, 512, 512, 3, 1)},
		{"vgg-tiny-32", at(64, 28, 32, 32, 3, 1)},
		{"nin-1x1-96", at(64, 54, 96, 96, 1, 0)},
		{"nin-1x1-256", at(64, 26, 256, 256, 1, 0)},
		{"nin-1x1-384", at(64, 12, 384, 384, 1, 0)},
		{"googlenet-3x3-192", at(64, 24, 64, 192, 3, 1)},
		{"googlenet-3x3-128", at(64, 12, 96, 128, 3, 1)},
		{"googlenet-3x3-208", at(64, 6, 96, 208, 3, 1)},
		{"googlenet-3x3-384", at(64, 3, 192, 384, 3, 1)},
		{"googlenet-5x5-32", at(64, 12, 16, 32, 5, 2)},
		{"googlenet-5x5-96", at(64, 12, 32, 96, 5, 2)},
		{"googlenet-5x5-128", at(64, 6, 32, 128, 5, 2)},
		{"googlenet-1x1-64", at(64, 12, 192, 64, 1, 0)},
		{"googlenet-1x1-256", at(64, 6, 528, 256, 1, 0)},
	}
}

// BenchmarkGEMMConvolutions times the algorithms of the networks' layers in turn, on two threads: the figures behind
// conv_gemm.go. It reports the best run of each in GFLOP/s of the direct convolution's arithmetic.
func BenchmarkGEMMConvolutions(b *testing.B) {
	for _, l := range gemmLayers() {
		c := l.conv
		for _, spec := range []op.Spec{op.ConvForward{Conv: c}, op.ConvBackwardData{Conv: c}, op.ConvBackwardWeights{Conv: c}} {
			b.Run(fmt.Sprintf("%s/%s", l.name, spec.Kind()), func(b *testing.B) {
				d := openLocked(b, 2)
				algorithms := append([]algorithm{direct}, gemmCandidates(spec)...)
				best := make([]time.Duration, len(algorithms))
				var kernels []bound
				for _, a := range algorithms {
					kernels = append(kernels, bind(b, d, spec, a))
				}
				for b.Loop() {
					for i, k := range kernels {
						start := time.Now()
						k.run(b)
						if t := time.Since(start); best[i] == 0 || t < best[i] {
							best[i] = t
						}
					}
				}
				for i, a := range algorithms {
					b.ReportMetric(float64(op.FLOPs(spec))/best[i].Seconds()/1e9, a.String()+"-GFLOP/s")
				}
			})
		}
	}
}
