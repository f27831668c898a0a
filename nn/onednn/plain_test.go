//go:build onednn && cgo

package onednn

import (
	"fmt"
	"math"
	"testing"

	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// gathers are all combinations of op.Gather.
var gathers = []op.Gather{{}, {Accumulate: true}, {Mask: true}, {Accumulate: true, Mask: true}}

// windowed completes a convolution or pooling whose output has some channels and a pitch (0: none).
func windowed(src op.Image, out, pitch, kh, kw, stride, ph, pw int) op.Conv {
	return op.Conv{Src: src, KernelH: kh, KernelW: kw, StrideH: stride, StrideW: stride, PadH: ph, PadW: pw,
		Dst: op.Image{N: src.N, H: op.WindowOut(src.H, kh, stride, ph), W: op.WindowOut(src.W, kw, stride, pw), C: out, Pitch: pitch}}
}

// flaggedSpecs are operations with every flag, at shapes with whole vectors, tails and neither, and on more than one
// block of whatever is worked on in blocks.
func flaggedSpecs() (all []op.Spec) {
	for _, c := range []op.Conv{
		windowed(op.Image{N: 3, H: 7, W: 6, C: 5}, 7, 0, 3, 3, 1, 1, 1),
		windowed(op.Image{N: 2, H: 9, W: 9, C: 16}, 24, 40, 3, 3, 1, 1, 1),
		windowed(op.Image{N: 2, H: 9, W: 8, C: 32}, 16, 19, 1, 1, 1, 0, 0),
		windowed(op.Image{N: 2, H: 6, W: 7, C: 16}, 32, 0, 1, 3, 1, 1, 1), // padded by as much as the kernel is high
		windowed(op.Image{N: 2, H: 6, W: 7, C: 4}, 9, 13, 1, 3, 1, 1, 1),
		windowed(op.Image{N: 1, H: 5, W: 4, C: 16}, 16, 0, 3, 1, 1, 0, 1),
		windowed(op.Image{N: 1, H: 5, W: 4, C: 3}, 16, 0, 1, 1, 1, 1, 1),
		windowed(op.Image{N: 2, H: 31, W: 31, C: 1}, 16, 0, 11, 11, 4, 0, 0),
		windowed(op.Image{N: 2, H: 20, W: 20, C: 1}, 16, 0, 7, 7, 2, 3, 3),
	} {
		for _, noBias := range []bool{false, true} {
			c.NoBias = noBias
			all = append(all, op.ConvForward{Conv: c}, op.ConvForward{Conv: c, ReLU: true}, op.ConvBackwardWeights{Conv: c})
		}
		for _, g := range gathers {
			all = append(all, op.ConvBackwardData{Conv: c, Gather: g})
		}
	}
	for _, l := range []op.Linear{
		{Src: op.Image{N: 5, H: 3, W: 2, C: 7}, Out: 19},
		{Src: op.Image{N: 33, H: 2, W: 2, C: 16}, Out: 10},
		{Src: op.Image{N: 6, H: 1, W: 1, C: 40}, Out: 50},
	} {
		all = append(all, op.LinearForward{Linear: l}, op.LinearForward{Linear: l, ReLU: true}, op.LinearBackwardWeights{Linear: l})
		for _, g := range gathers {
			all = append(all, op.LinearBackwardData{Linear: l, Gather: g})
		}
	}
	for _, channels := range []int{1, 4, 6, 8, 16, 21, 37, 64} {
		src := op.Image{N: 3, H: 9, W: 8, C: channels}
		for _, c := range []op.Conv{
			windowed(src, channels, 0, 2, 2, 2, 0, 0),
			windowed(src, channels, 0, 3, 3, 2, 1, 1),
			windowed(src, channels, 0, 3, 3, 2, 0, 0),
			windowed(src, channels, 0, 3, 3, 1, 1, 1),
			windowed(src, channels, 0, 2, 3, 3, 1, 0), // gaps between the windows
			windowed(src, channels, 0, 9, 8, 1, 0, 0),
		} {
			p := op.Pool{Src: c.Src, Dst: c.Dst, KernelH: c.KernelH, KernelW: c.KernelW, StrideH: c.StrideH, StrideW: c.StrideW,
				PadH: c.PadH, PadW: c.PadW}
			all = append(all, op.MaxPoolForward{Pool: p}, op.MaxPoolForward{Pool: p, Inference: true}, op.AvgPoolForward{Pool: p})
			for _, g := range gathers {
				all = append(all, op.MaxPoolBackward{Pool: p, Gather: g}, op.AvgPoolBackward{Pool: p, Gather: g})
			}
		}
		all = append(all,
			op.ChannelCopy{Src: op.Image{N: 3, H: 9, W: 8, C: channels}, Dst: op.Image{N: 3, H: 9, W: 8, C: channels, Pitch: channels + 3}},
			op.ChannelCopy{Src: op.Image{N: 3, H: 9, W: 8, C: channels, Pitch: 2 * channels}, Dst: op.Image{N: 3, H: 9, W: 8, C: channels}})
		for _, pixels := range []op.Image{{N: 2, H: 1, W: 1, C: channels}, {N: 3, H: 5, W: 7, C: channels}, {N: 7, H: 13, W: 12, C: channels}} {
			count := pixels.N * pixels.H * pixels.W
			all = append(all, op.BatchNormMoments{Image: pixels},
				op.BatchNormForward{Image: pixels, Count: count}, op.BatchNormForward{Image: pixels, Count: 2 * count, ReLU: true},
				op.BatchNormInference{Image: pixels}, op.BatchNormInference{Image: pixels, ReLU: true},
				op.BatchNormBackwardSums{Image: pixels})
			for _, g := range gathers {
				all = append(all, op.BatchNormBackward{Image: pixels, Gather: g})
			}
		}
	}
	for _, n := range []int{1, 15, 16, 100, 4099} {
		all = append(all, op.ReLUForward{Len: n}, op.ReLUBackward{Len: n}, op.Add{Len: n}, op.Add{Len: n, ReLU: true},
			op.Dropout{Len: n, Rate: 0.5, Layer: 3}, op.Dropout{Len: n, Rate: 0.1, Mask: true}, op.Dropout{Len: n},
			op.AdamUpdate{Len: n}, op.SGDUpdate{Len: n}, op.SGDUpdate{Len: n, Nesterov: true}, op.SumOfSquares{Len: n})
	}
	return append(all, op.SoftmaxCrossEntropyForward{N: 9, C: 10, Smoothing: 0.1}, op.SoftmaxCrossEntropyForward{N: 3, C: 4})
}

// Every operation, by each algorithm, on one thread and on three, against the plain Go device. What is not written
// again where a result has gaps must stay as it was.
func TestAgainstPlainGo(t *testing.T) {
	plain := purego.New()
	defer plain.Close()
	for _, threads := range []int{1, 3} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			d := openLocked(t, threads)
			for _, spec := range flaggedSpecs() {
				want := outputs(t, d, spec)
				src := sources(t, d, spec)
				k, err := plain.Compile(spec)
				if err == nil {
					err = k.Run(want, src)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range d.candidates(spec) {
					got := outputs(t, d, spec)
					k, err := d.compile(spec, a)
					if err != nil {
						t.Errorf("%v: %v", a, err)
						continue
					}
					bound{k, got, src}.run(t)
					for i := range want {
						compare(t, fmt.Sprintf("%s %+v by %v (%s), dst[%d]", spec.Kind(), spec, a, k.impl(), i), spec, i, got[i], want[i])
					}
				}
			}
		})
	}
}

// compare holds against the largest element; bytes in max pooling's where must be equal.
func compare(t *testing.T, what string, spec op.Spec, i int, got, want op.Buffer) {
	if s, ok := spec.(op.MaxPoolForward); ok && i == 1 {
		for j := range s.WhereLen() {
			if g, w := math.Float32bits(got.Host[j]), math.Float32bits(want.Host[j]); g != w {
				t.Errorf("%s[%d] = %08x, want %08x", what, j, g, w)
				return
			}
		}
		return
	}
	if diff := difference(got.Host, want.Host); !(diff <= 2e-5) {
		t.Errorf("%s differs by %g of the largest element", what, diff)
	}
}

// outputs are a spec's results before the run: numbers, which an operation adds to, or updates, or overwrites.
func outputs(t testing.TB, d *Device, spec op.Spec) (dst []op.Buffer) {
	lens, _ := op.Lens(spec)
	for i, n := range lens {
		dst = append(dst, alloc(t, d, n, uint32(i+100)))
	}
	switch spec.(type) {
	case op.AdamUpdate:
		absolute(dst[2])
	case op.BatchNormForward:
		absolute(dst[1])
	}
	return dst
}

// sources are operands that make sense for a spec.
func sources(t testing.TB, d *Device, spec op.Spec) (src []op.Buffer) {
	_, lens := op.Lens(spec)
	for i, n := range lens {
		src = append(src, alloc(t, d, n, uint32(i+1)))
	}
	switch s := spec.(type) {
	case op.SoftmaxCrossEntropyForward:
		for i := range src[1].Host {
			src[1].Host[i] = float32(i % s.C)
		}
		src[2].Host[0] = 1 / float32(s.N)
	case op.BatchNormForward:
		absolute(src[3])
	case op.BatchNormInference:
		absolute(src[3])
	case op.BatchNormBackwardSums:
		absolute(src[2])
	case op.BatchNormBackward:
		absolute(src[3])
	case op.MaxPoolForward: // few values, so that there are equal ones
		for i, v := range src[0].Host {
			src[0].Host[i] = float32(int(4 * v))
		}
	case op.MaxPoolBackward: // what the forward pass says
		k, err := d.compile(op.MaxPoolForward{Pool: s.Pool}, direct)
		if err != nil {
			t.Fatal(err)
		}
		bound{k, []op.Buffer{alloc(t, d, s.Dst.Len(), 0), src[1]}, []op.Buffer{alloc(t, d, s.Src.Len(), 7)}}.run(t)
	case op.AdamUpdate:
		copy(src[1].Host, []float32{0.01, 0.5, 0.1, 0.99, 0.9, 0.999, 3, 1e-8})
	case op.SGDUpdate:
		copy(src[1].Host, []float32{0.01, 0.5, 0.1, 1, 0.9})
	}
	return src
}

func absolute(b op.Buffer) {
	for i, v := range b.Host {
		b.Host[i] = max(v, -v) + 0.1
	}
}
