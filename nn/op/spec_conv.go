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

func (ConvForward) Kind() string         { return "conv" }
func (ConvBackwardData) Kind() string    { return "conv.dx" }
func (ConvBackwardWeights) Kind() string { return "conv.dw" }

func (s ConvForward) Operands() (dst, src []Operand) {
	return []Operand{activation(s.Dst.Span())}, s.withBias(activation(s.Src.Len()), plain(s.WeightLen()))
}

func (s ConvBackwardData) Operands() (dst, src []Operand) {
	return s.gathered(s.Src.Len(), activation(s.Dst.Span()), plain(s.WeightLen()))
}

func (s ConvBackwardWeights) Operands() (dst, src []Operand) {
	return s.withBias(plain(s.WeightLen())), []Operand{activation(s.Dst.Span()), activation(s.Src.Len())}
}

func (c Conv) withBias(operands ...Operand) []Operand {
	if c.NoBias {
		return operands
	}
	return append(operands, plain(c.Dst.C))
}

// Validate checks that source, destination and window agree.
func (c Conv) Validate() error {
	if err := c.Src.validateDense("input"); err != nil {
		return err
	}
	err := validateWindow("convolution", c.Src, c.Dst, c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
	if err != nil {
		return err
	}
	weights := Image{N: c.Dst.C, H: c.Src.C, W: c.KernelH, C: c.KernelW}
	return errors.Join(c.Dst.Validate("output"), weights.Validate("weights"))
}

func (c Conv) String() string {
	return windowString(c.Src, c.Dst, "kernel", c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
}

// WeightLen is the number of weights.
func (c Conv) WeightLen() int { return c.Dst.C * c.Src.C * c.KernelH * c.KernelW }

func (c Conv) flops() int64 { return 2 * int64(c.Dst.Len()) * int64(c.Src.C*c.KernelH*c.KernelW) }
