package op_test

import (
	"errors"
	"strings"
	"testing"

	"ringloom/nn/op"
)

func TestValidateNamesTheFault(t *testing.T) {
	image := op.Image{N: 2, H: 8, W: 8, C: 3}
	conv := op.Conv{
		Src: image, Dst: op.Image{N: 2, H: 6, W: 6, C: 4},
		KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1,
	}
	pool := op.Pool{Src: image, Dst: op.Image{N: 2, H: 4, W: 4, C: 3}, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	changedConv := func(f func(*op.Conv)) op.Spec { c := conv; f(&c); return op.ConvForward{Conv: c} }
	changedPool := func(f func(*op.Pool)) op.Spec { p := pool; f(&p); return op.AvgPoolBackward{Pool: p} }

	for _, c := range []struct {
		spec op.Spec
		want string // empty: valid
	}{
		{op.ConvForward{Conv: conv}, ""},
		{changedConv(func(c *op.Conv) { c.Dst.H = 7 }), "height: input 8, kernel 3, stride 1, padding 0 give an output of 6, not 7"},
		{changedConv(func(c *op.Conv) { c.Dst.N = 3 }), "from 2 to 3 samples"},
		{changedConv(func(c *op.Conv) { c.KernelW = 9 }), "width: kernel 9 does not fit an input of 8"},
		{changedConv(func(c *op.Conv) { c.StrideH = 0 }), "stride 0"},
		{changedConv(func(c *op.Conv) { c.PadH = -1 }), "padding -1"},
		{changedConv(func(c *op.Conv) { c.PadH = 4 }), "padding 4 must not be above the kernel size 3"},
		{changedConv(func(c *op.Conv) { c.Src.C = 0 }), "input 2x8x8x0 has a size below 1"},
		{changedConv(func(c *op.Conv) { c.Src.N, c.Dst.N = 1<<30, 1<<30 }), "more than"},
		{op.AvgPoolForward{Pool: pool}, ""},
		{changedPool(func(p *op.Pool) { p.Dst.C = 4 }), "changes the channels"},
		{changedPool(func(p *op.Pool) { p.Dst.W = 5 }), "output of 4, not 5"},
		{op.LinearForward{Linear: op.Linear{Src: image, Out: 10}}, ""},
		{op.LinearForward{Linear: op.Linear{Src: image}}, "output 2x1x1x0"},
		{op.SigmoidForward{Len: 1}, ""},
		{op.SigmoidBackward{}, "0 elements"},
		{op.SoftmaxCrossEntropyForward{N: 1, C: 10}, ""},
		{op.SoftmaxCrossEntropyForward{N: 0, C: 10}, "logits 0x1x1x10"},
	} {
		err := c.spec.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %v: %v", c.spec.Kind(), c.spec, err)
		case c.want != "" && !errors.Is(err, op.ErrSpec):
			t.Errorf("%s %v: error %v is not ErrSpec", c.spec.Kind(), c.spec, err)
		case c.want != "" && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s %v: error %q does not say %q", c.spec.Kind(), c.spec, err, c.want)
		}
	}
}
