package nn_test

import (
	"errors"
	"strings"
	"testing"

	"ringloom/nn"
)

func TestValidateNamesTheFault(t *testing.T) {
	image := nn.Image{N: 2, H: 8, W: 8, C: 3}
	conv := nn.Conv{
		Src: image, Dst: nn.Image{N: 2, H: 6, W: 6, C: 4},
		KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1,
	}
	pool := nn.Pool{Src: image, Dst: nn.Image{N: 2, H: 4, W: 4, C: 3}, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	changedConv := func(f func(*nn.Conv)) nn.Spec { c := conv; f(&c); return nn.ConvForward{Conv: c} }
	changedPool := func(f func(*nn.Pool)) nn.Spec { p := pool; f(&p); return nn.AvgPoolBackward{Pool: p} }

	for _, c := range []struct {
		spec nn.Spec
		want string // empty: valid
	}{
		{nn.ConvForward{Conv: conv}, ""},
		{changedConv(func(c *nn.Conv) { c.Dst.H = 7 }), "height: input 8, kernel 3, stride 1, padding 0 give an output of 6, not 7"},
		{changedConv(func(c *nn.Conv) { c.Dst.N = 3 }), "from 2 to 3 samples"},
		{changedConv(func(c *nn.Conv) { c.KernelW = 9 }), "width: kernel 9 does not fit an input of 8"},
		{changedConv(func(c *nn.Conv) { c.StrideH = 0 }), "stride 0"},
		{changedConv(func(c *nn.Conv) { c.PadH = -1 }), "padding -1"},
		{changedConv(func(c *nn.Conv) { c.PadH = 4 }), "padding 4 must not be above the kernel size 3"},
		{changedConv(func(c *nn.Conv) { c.Src.C = 0 }), "input 2x8x8x0 has a size below 1"},
		{changedConv(func(c *nn.Conv) { c.Src.N, c.Dst.N = 1<<30, 1<<30 }), "more than"},
		{nn.AvgPoolForward{Pool: pool}, ""},
		{changedPool(func(p *nn.Pool) { p.Dst.C = 4 }), "changes the channels"},
		{changedPool(func(p *nn.Pool) { p.Dst.W = 5 }), "output of 4, not 5"},
		{nn.LinearForward{Linear: nn.Linear{Src: image, Out: 10}}, ""},
		{nn.LinearForward{Linear: nn.Linear{Src: image}}, "output 2x1x1x0"},
		{nn.SigmoidForward{Len: 1}, ""},
		{nn.SigmoidBackward{}, "0 elements"},
		{nn.SoftmaxCrossEntropyForward{N: 1, C: 10}, ""},
		{nn.SoftmaxCrossEntropyForward{N: 0, C: 10}, "logits 0x1x1x10"},
	} {
		err := c.spec.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %v: %v", nn.Kind(c.spec), c.spec, err)
		case c.want != "" && !errors.Is(err, nn.ErrSpec):
			t.Errorf("%s %v: error %v is not ErrSpec", nn.Kind(c.spec), c.spec, err)
		case c.want != "" && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s %v: error %q does not say %q", nn.Kind(c.spec), c.spec, err, c.want)
		}
	}
}
