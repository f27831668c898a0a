package op

import "errors"

// Conv is the geometry of a two-dimensional cross-correlation (what the field calls convolution). Weights are OIHW,
// [Dst.C, Src.C, KernelH, KernelW]; the bias is [Dst.C]. Dst.H = (Src.H + 2 PadH - KernelH)/StrideH + 1. Dst may have a
// Pitch, Src may not.
type Conv struct {
	Src, Dst         Image
	KernelH, KernelW int
	StrideH, StrideW int
	PadH, PadW       int
	// NoBias leaves the bias, and its gradient, out of the operands.
	NoBias bool
}

// ConvForward: dst = {y Dst}, src = {x Src, w OIHW, b [Dst.C]}; without b where NoBias is set.
type ConvForward struct {
	Conv
	// ReLU makes it y = max(0, x*w + b).
	ReLU bool
}

// ConvBackwardData: dst = {dx Src}, src = {dy Dst, w OIHW}, and mask [Src] where Mask is set.
type ConvBackwardData struct {
	Conv
	Gather
}

// ConvBackwardWeights: dst = {dw OIHW, db [Dst.C]}, src = {dy Dst, x Src}; without db where NoBias is set.
type ConvBackwardWeights struct{ Conv }

// Gather says how a gradient with respect to activations reaches its destination. It saves a pass over memory for
// each summation over branches and for each ReLU.
type Gather struct {
	// Accumulate adds to dst[0] instead of overwriting it.
	Accumulate bool
	// Mask appends an operand to src, shaped as dst[0]: where it is not positive, dst[0] becomes 0, what was there
	// before included. With a ReLU's result as the mask this is that ReLU's gradient.
	Mask bool
}

// Linear is y = x w^T + b. x is an Image whose H, W, C are flattened in the order C, H, W (as PyTorch flattens NCHW)
// to index the columns of w [Out, Src.C*Src.H*Src.W]; the bias is [Out]; y is [Src.N, Out].
type Linear struct {
	Src Image
	Out int
}

// LinearForward: dst = {y [N, Out]}, src = {x Src, w, b}.
type LinearForward struct {
	Linear
	// ReLU makes it y = max(0, x w^T + b).
	ReLU bool
}

// LinearBackwardData: dst = {dx Src}, src = {dy [N, Out], w}, and mask [Src] where Mask is set.
type LinearBackwardData struct {
	Linear
	Gather
}

// LinearBackwardWeights: dst = {dw, db}, src = {dy [N, Out], x Src}.
type LinearBackwardWeights struct{ Linear }

// Validate checks that source, destination and window agree.
func (c Conv) Validate() error {
	if err := c.Src.validateDense("input"); err != nil {
		return err
	}
	if err := validateWindow("convolution", c.Src, c.Dst, c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW); err != nil {
		return err
	}
	return errors.Join(c.Dst.Validate("output"), Image{N: c.Dst.C, H: c.Src.C, W: c.KernelH, C: c.KernelW}.Validate("weights"))
}

func (c Conv) String() string {
	return windowString(c.Src, c.Dst, "kernel", c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
}

// WeightLen is the number of weights.
func (c Conv) WeightLen() int { return c.Dst.C * c.Src.C * c.KernelH * c.KernelW }

func (c Conv) flops() int64 { return 2 * int64(c.Dst.Len()) * int64(c.Src.C*c.KernelH*c.KernelW) }

// Validate checks the input's shape and the number of outputs.
func (l Linear) Validate() error {
	if err := l.Src.validateDense("input"); err != nil {
		return err
	}
	return errors.Join(
		Image{N: l.Src.N, H: 1, W: 1, C: l.Out}.Validate("output"),
		Image{N: l.Out, H: l.Src.H, W: l.Src.W, C: l.Src.C}.Validate("weights"))
}

func (l Linear) String() string { return l.Src.String() + " -> " + l.Dst().String() }

// In is the number of inputs of one sample, Src.C*Src.H*Src.W.
func (l Linear) In() int { return l.Src.C * l.Src.H * l.Src.W }

func (l Linear) Dst() Image { return Image{N: l.Src.N, H: 1, W: 1, C: l.Out} }

func (l Linear) flops() int64 { return 2 * int64(l.Src.N) * int64(l.Out) * int64(l.In()) }
