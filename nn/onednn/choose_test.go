package onednn

import (
	"testing"

	"ringloom/nn"
)

func TestChoose(t *testing.T) {
	first := convOf(nn.Image{N: 4, H: 28, W: 28, C: 1}, 6, 5, 5, 2)
	second := convOf(nn.Image{N: 4, H: 14, W: 14, C: 6}, 16, 5, 5, 0)
	wide := convOf(nn.Image{N: 4, H: 14, W: 14, C: 64}, 64, 3, 3, 1)
	pool := nn.Pool{Src: first.Dst, Dst: nn.Image{N: 4, H: 14, W: 14, C: 6}, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	for _, c := range []struct {
		spec   nn.Spec
		avx512 bool
		want   way
	}{
		{nn.ConvForward{Conv: first}, true, grey},
		{nn.ConvBackwardWeights{Conv: first}, true, grey},
		{nn.ConvBackwardData{Conv: first}, true, direct},
		{nn.ConvForward{Conv: first}, false, direct},
		{nn.ConvForward{Conv: second}, true, narrow},
		{nn.ConvBackwardData{Conv: second}, true, narrow},
		{nn.ConvBackwardWeights{Conv: second}, false, direct},
		{nn.ConvForward{Conv: wide}, false, direct},
		{nn.AvgPoolForward{Pool: pool}, true, halve},
		{nn.AvgPoolBackward{Pool: pool}, false, direct},
		{nn.SigmoidForward{Len: 3}, true, direct},
	} {
		if got := choose(c.spec, c.avx512); got != c.want {
			t.Errorf("%s %v, AVX-512 %v: %v, want %v", nn.Kind(c.spec), c.spec, c.avx512, got, c.want)
		}
	}
}

// convOf completes a convolution of stride 1.
func convOf(src nn.Image, out, kh, kw, pad int) nn.Conv {
	return nn.Conv{Src: src, Dst: nn.Image{N: src.N, H: src.H + 2*pad - kh + 1, W: src.W + 2*pad - kw + 1, C: out},
		KernelH: kh, KernelW: kw, StrideH: 1, StrideW: 1, PadH: pad, PadW: pad}
}
