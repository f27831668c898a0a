package onednn

import (
	"testing"

	"ringloom/nn/op"
)

func TestChoose(t *testing.T) {
	first := convOf(op.Image{N: 4, H: 28, W: 28, C: 1}, 6, 5, 5, 2)
	second := convOf(op.Image{N: 4, H: 14, W: 14, C: 6}, 16, 5, 5, 0)
	wide := convOf(op.Image{N: 4, H: 14, W: 14, C: 64}, 64, 3, 3, 1)
	pool := op.Pool{Src: first.Dst, Dst: op.Image{N: 4, H: 14, W: 14, C: 6}, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	for _, c := range []struct {
		spec   op.Spec
		avx512 bool
		want   algorithm
	}{
		{op.ConvForward{Conv: first}, true, conv5x5C1},
		{op.ConvBackwardWeights{Conv: first}, true, conv5x5C1},
		{op.ConvBackwardData{Conv: first}, true, direct},
		{op.ConvForward{Conv: first}, false, direct},
		{op.ConvForward{Conv: second}, true, conv5x5C6},
		{op.ConvBackwardData{Conv: second}, true, conv5x5C6},
		{op.ConvBackwardWeights{Conv: second}, false, direct},
		{op.ConvForward{Conv: wide}, false, direct},
		{op.AvgPoolForward{Pool: pool}, true, avgPool2x2},
		{op.AvgPoolBackward{Pool: pool}, false, direct},
		{op.SigmoidForward{Len: 3}, true, direct},
	} {
		if got := (rules{avx512: c.avx512}).choose(c.spec); got != c.want {
			t.Errorf("%s %v, AVX-512 %v: %v, want %v", c.spec.Kind(), c.spec, c.avx512, got, c.want)
		}
	}
}

// convOf completes a convolution of stride 1.
func convOf(src op.Image, out, kh, kw, pad int) op.Conv {
	return op.Conv{Src: src, Dst: op.Image{N: src.N, H: src.H + 2*pad - kh + 1, W: src.W + 2*pad - kw + 1, C: out},
		KernelH: kh, KernelW: kw, StrideH: 1, StrideW: 1, PadH: pad, PadW: pad}
}

// What older releases remembered holds: these names are in users' files.
func TestStoredNamesNeverChange(t *testing.T) {
	want := map[algorithm]string{
		direct: "direct", blocked: "blocked", flat: "flat", conv5x5C1: "grey", conv5x5C6: "narrow", avgPool2x2: "halve",
		pointwise: "pointwise", winograd2: "winograd2", winograd3: "winograd3", winograd4: "winograd4",
		winograd6: "winograd6", convSmallChannels: "few",
	}
	for a := direct; a < algorithms; a++ {
		if a.String() != want[a] || a.String() == "" {
			t.Errorf("algorithm %d is called %q, want %q", int(a), a, want[a])
		}
	}
}
