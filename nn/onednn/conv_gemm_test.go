//go:build onednn && cgo

package onednn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ringloom/nn/op"
)

// gemmShapes are geometries of every convolution by matrix products: sides that tiles overhang, channels that are no
// multiples of a vector, every padding, results that are a range of a wider image's channels.
func gemmShapes() []op.Conv {
	var all []op.Conv
	channels := [][2]int{{1, 16}, {16, 33}, {24, 64}, {33, 3}, {3, 24}, {64, 16}, {48, 50}}
	sides := [][2]int{{3, 3}, {6, 5}, {7, 14}, {12, 12}, {4, 9}, {13, 8}}
	i := 0
	for _, kernel := range []int{1, 3, 5} {
		for pad := 0; pad <= kernel && (kernel > 1 || pad < 1); pad++ {
			for range 2 {
				c, s := channels[i%len(channels)], sides[i%len(sides)]
				src := op.Image{N: 1 + i%3, H: s[0] + kernel/5*2, W: s[1] + kernel/5*2, C: c[0]}
				conv := convOf(src, c[1], kernel, kernel, pad)
				conv.Dst.Pitch = c[1] + i%2*7
				conv.NoBias = i%4 == 2
				all = append(all, conv)
				i++
			}
		}
	}
	// More tiles than a block has, weights that make the threads share a block, and several steps of every loop.
	large := convOf(op.Image{N: 2, H: 26, W: 19, C: 40}, 70, 3, 3, 1)
	wide := convOf(op.Image{N: 1, H: 7, W: 7, C: 130}, 70, 5, 5, 2)
	pixels := convOf(op.Image{N: 2, H: 17, W: 19, C: 130}, 70, 1, 1, 0)
	return append(all, large, wide, pixels)
}

// convSpecs are the three operations of a convolution with each of their flags.
func convSpecs(c op.Conv) []op.Spec {
	return []op.Spec{
		op.ConvForward{Conv: c}, op.ConvForward{Conv: c, ReLU: true},
		op.ConvBackwardData{Conv: c}, op.ConvBackwardData{Conv: c, Gather: op.Gather{Accumulate: true}},
		op.ConvBackwardData{Conv: c, Gather: op.Gather{Mask: true}},
		op.ConvBackwardData{Conv: c, Gather: op.Gather{Accumulate: true, Mask: true}},
		op.ConvBackwardWeights{Conv: c},
	}
}

// tolerance is the largest error relative to the result's root mean square that an algorithm may have.
func tolerance(a algorithm, kernel int) float64 {
	switch {
	case a == winograd6 || kernel == 5 && a == winograd4:
		return 1e-4
	case a == winograd4 || kernel == 5 && a != pointwise:
		return 5e-5
	}
	return 1e-5
}

// Every one of them against a convolution in float64, on one to three threads. Memory around the operands, and between
// the pixels of a result with a pitch, is NaN: it must neither spread nor be overwritten.
func TestGEMMConvolutions(t *testing.T) {
	var devices []*Device
	for threads := 1; threads <= 3; threads++ {
		d := openLocked(t, threads)
		if d.c.avx512 == 0 {
			t.Skip("this processor has no AVX-512, which these convolutions need")
		}
		devices = append(devices, d)
	}
	for _, c := range gemmShapes() {
		for _, spec := range convSpecs(c) {
			dst, src := convOperands(spec)
			want := make([][]float64, len(dst))
			for i := range dst {
				want[i] = floats64(dst[i])
			}
			directConvolution(spec, want, src)
			for _, a := range gemmCandidates(spec) {
				for _, d := range devices {
					checkConv(t, d, spec, a, dst, src, want)
				}
			}
		}
	}
}

func checkConv(t *testing.T, d *Device, spec op.Spec, a algorithm, dst, src [][]float32, want [][]float64) {
	name := fmt.Sprintf("%s %v by %v, %d threads", describe(spec), spec, a, d.c.threads)
	k, err := d.compile(spec, a)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, from := fence(dst), fence(src)
	if err := k.Run(got.inside, from.inside); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got.broken() || from.broken() {
		t.Errorf("%s: wrote beside an operand", name)
	}
	c, _ := convolution(spec)
	for i := range got.inside {
		if e := relativeError(got.inside[i].Host, want[i]); !(e <= tolerance(a, c.KernelH)) {
			t.Errorf("%s: dst[%d] differs by %.1e of its root mean square", name, i, e)
		}
	}
}

func TestGEMMConvolutionsRepeatTheirBits(t *testing.T) {
	c := convOf(op.Image{N: 2, H: 13, W: 11, C: 40}, 70, 3, 3, 1)
	one := convOf(op.Image{N: 2, H: 13, W: 11, C: 40}, 70, 1, 1, 0)
	d := openLocked(t, 3)
	if d.c.avx512 == 0 {
		t.Skip("this processor has no AVX-512, which these convolutions need")
	}
	for _, spec := range append(convSpecs(c), convSpecs(one)...) {
		for _, a := range gemmCandidates(spec) {
			dst, src := convOperands(spec)
			k, err := d.compile(spec, a)
			if err != nil {
				t.Fatal(err)
			}
			var first []op.Buffer
			for range 4 {
				got := fence(dst).inside
				if err := k.Run(got, fence(src).inside); err != nil {
					t.Fatal(err)
				}
				for i := range first {
					if !slices.Equal(first[i].Host, got[i].Host) {
						t.Errorf("%s %v by %v: dst[%d] differs from run to run", describe(spec), spec, a, i)
					}
				}
				first = got
			}
		}
	}
}

// The rule must look at the shape alone and pick among the candidates, direct where tiles are mostly overhang.
func TestChooseFast(t *testing.T) {
	for _, c := range []struct {
		conv op.Conv
		want algorithm
	}{
		{convOf(op.Image{N: 128, H: 12, W: 12, C: 384}, 384, 3, 3, 1), winograd4},
		{convOf(op.Image{N: 128, H: 26, W: 26, C: 96}, 256, 5, 5, 2), winograd4},
		{convOf(op.Image{N: 64, H: 12, W: 12, C: 192}, 64, 1, 1, 0), pointwise},
		{convOf(op.Image{N: 64, H: 224, W: 224, C: 1}, 64, 3, 3, 1), direct},
		{convOf(op.Image{N: 64, H: 14, W: 14, C: 64}, 64, 7, 7, 3), direct},
	} {
		if got := chooseGEMM(op.ConvForward{Conv: c.conv}, rules{avx512: true}.candidates(op.ConvForward{Conv: c.conv})); got != c.want {
			t.Errorf("%v: %v, want %v", c.conv, got, c.want)
		}
	}
}

func describe(spec op.Spec) string { return fmt.Sprintf("%s %+v", spec.Kind(), flags(spec)) }

func flags(spec op.Spec) any {
	switch s := spec.(type) {
	case op.ConvForward:
		return s.ReLU
	case op.ConvBackwardData:
		return s.Gather
	}
	return "-"
}

// convOperands are values for an operation's operands, with NaN between the pixels of images that have a pitch.
func convOperands(spec op.Spec) (dst, src [][]float32) {
	random := rand.New(rand.NewPCG(1, 2))
	make1 := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = random.Float32()*2 - 1
		}
		return x
	}
	dstLens, srcLens := op.Lens(spec)
	for _, n := range dstLens {
		dst = append(dst, make1(n))
	}
	for _, n := range srcLens {
		src = append(src, make1(n))
	}
	c, pass := convolution(spec)
	image := src[0]
	if pass == forward {
		image = dst[0]
	}
	for i := range image {
		if pass != noConvolution && i%c.Dst.PixelPitch() >= c.Dst.C {
			image[i] = float32(math.NaN())
		}
	}
	return dst, src
}

// fenced are copies of operands with NaN on both sides.
type fenced struct {
	inside []op.Buffer
	around [][]float32
}

func fence(operands [][]float32) fenced {
	const guard = 64
	var f fenced
	for _, x := range operands {
		all := make([]float32, len(x)+2*guard)
		fill(all, float32(math.NaN()))
		copy(all[guard:], x)
		f.inside = append(f.inside, op.Buffer{Host: all[guard : guard+len(x) : guard+len(x)]})
		f.around = append(f.around, all[:guard], all[guard+len(x):])
	}
	return f
}

func (f fenced) broken() bool {
	return slices.ContainsFunc(f.around, func(g []float32) bool {
		return slices.ContainsFunc(g, func(v float32) bool { return v == v })
	})
}

func floats64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i := range x {
		y[i] = float64(x[i])
	}
	return y
}

// relativeError is the largest difference relative to the root mean square of want; NaN must be where want has it.
func relativeError(got []float32, want []float64) float64 {
	worst, squares, n := 0.0, 0.0, 0
	for i := range want {
		if math.IsNaN(want[i]) {
			if got[i] == got[i] {
				return math.Inf(1)
			}
			continue
		}
		worst = max(worst, math.Abs(float64(got[i])-want[i])) // max keeps a NaN
		squares += want[i] * want[i]
		n++
	}
	if squares == 0 {
		return worst
	}
	return worst / math.Sqrt(squares/float64(n))
}

// directConvolution computes an operation from its definition, into dst.
func directConvolution(spec op.Spec, dst [][]float64, src [][]float32) {
	c, pass := convolution(spec)
	pitch := c.Dst.PixelPitch()
	taps := func(visit func(y, x, w, o int)) { // offsets of a result, a source and a weight, and the output channel
		for n := range c.Dst.N {
			for h := range c.Dst.H {
				for v := range c.Dst.W {
					for i := range c.KernelH {
						for j := range c.KernelW {
							row, column := h+i-c.PadH, v+j-c.PadW
							if row < 0 || row >= c.Src.H || column < 0 || column >= c.Src.W {
								continue
							}
							for o := range c.Dst.C {
								for s := range c.Src.C {
									visit(((n*c.Dst.H+h)*c.Dst.W+v)*pitch+o, ((n*c.Src.H+row)*c.Src.W+column)*c.Src.C+s,
										((o*c.Src.C+s)*c.KernelH+i)*c.KernelW+j, o)
								}
							}
						}
					}
				}
			}
		}
	}
	switch s := spec.(type) {
	case op.ConvForward:
		for i := range dst[0] {
			if o := i % pitch; o < c.Dst.C {
				dst[0][i] = 0
				if !c.NoBias {
					dst[0][i] = float64(src[2][o])
				}
			}
		}
		taps(func(y, x, w, _ int) { dst[0][y] += float64(src[0][x]) * float64(src[1][w]) })
		for i, v := range dst[0] {
			if s.ReLU && v < 0 {
				dst[0][i] = 0
			}
		}
	case op.ConvBackwardData:
		if !s.Accumulate {
			clear(dst[0])
		}
		taps(func(y, x, w, _ int) { dst[0][x] += float64(src[0][y]) * float64(src[1][w]) })
		for i := range dst[0] {
			if s.Mask && src[2][i] <= 0 {
				dst[0][i] = 0
			}
		}
	case op.ConvBackwardWeights:
		clear(dst[0])
		taps(func(y, x, w, _ int) { dst[0][w] += float64(src[0][y]) * float64(src[1][x]) })
		if !c.NoBias {
			clear(dst[1])
			for i, v := range src[0] {
				if o := i % pitch; o < c.Dst.C {
					dst[1][o] += float64(v)
				}
			}
		}
	default:
		panic(fmt.Sprintf("%T after pass %d", spec, pass))
	}
}
