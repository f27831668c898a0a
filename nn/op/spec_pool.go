package op

import "fmt"

// Pool is the geometry of a pooling window.
type Pool struct {
	Src, Dst         Image
	KernelH, KernelW int
	StrideH, StrideW int
	PadH, PadW       int
}

// AvgPoolForward: dst = {y Dst}, src = {x Src}. Padding is counted (as PyTorch's default count_include_pad).
type AvgPoolForward struct{ Pool }

// AvgPoolBackward: dst = {dx Src}, src = {dy Dst}, and mask [Src] where Mask is set.
type AvgPoolBackward struct {
	Pool
	Gather
}

// MaxPoolForward: dst = {y Dst, where}, src = {x Src}. Padding never wins. where tells the backward pass which element
// of its window each result is: KernelW*row + column, the first of equals in that order, as PyTorch has it. It has one
// byte an element of y, four to a float32: byte i of the buffer, in its little-endian bytes, is for element i of y.
type MaxPoolForward struct {
	Pool
	// Inference leaves where out of dst.
	Inference bool
}

// MaxPoolBackward: dst = {dx Src}, src = {dy Dst, where}, and mask [Src] where Mask is set.
type MaxPoolBackward struct {
	Pool
	Gather
}

func (AvgPoolForward) Kind() string  { return "avgpool" }
func (AvgPoolBackward) Kind() string { return "avgpool.dx" }
func (MaxPoolForward) Kind() string  { return "maxpool" }
func (MaxPoolBackward) Kind() string { return "maxpool.dx" }

func (s AvgPoolForward) Operands() (dst, src []Operand) {
	return []Operand{activation(s.Dst.Len())}, []Operand{activation(s.Src.Len())}
}

func (s AvgPoolBackward) Operands() (dst, src []Operand) {
	return s.gathered(s.Src.Len(), activation(s.Dst.Len()))
}

func (s MaxPoolForward) Operands() (dst, src []Operand) {
	dst = []Operand{activation(s.Dst.Len())}
	if !s.Inference {
		dst = append(dst, plain(s.WhereLen()))
	}
	return dst, []Operand{activation(s.Src.Len())}
}

func (s MaxPoolBackward) Operands() (dst, src []Operand) {
	return s.gathered(s.Src.Len(), activation(s.Dst.Len()), plain(s.WhereLen()))
}

// maxWindow is the largest number of elements of a max-pooling window: where holds bytes.
const maxWindow = 256

// WhereLen is the number of float32 elements that hold one byte for each element of Dst.
func (p Pool) WhereLen() int { return (p.Dst.Len() + 3) / 4 }

// Validate checks that source, destination and window agree.
func (p Pool) Validate() error {
	if err := p.Src.validateDense("input"); err != nil {
		return err
	}
	if p.Src.C != p.Dst.C {
		return fmt.Errorf("%w: pooling from %v to %v changes the channels", ErrSpec, p.Src, p.Dst)
	}
	err := validateWindow("pooling", p.Src, p.Dst, p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
	if err != nil {
		return err
	}
	return p.Dst.validateDense("output")
}

// Validate adds to that of Pool that the window is not too large, and that no window lies in the padding alone.
func (p MaxPoolForward) Validate() error { return p.Pool.validateMax() }

// Validate is that of MaxPoolForward.
func (p MaxPoolBackward) Validate() error { return p.Pool.validateMax() }

func (p Pool) validateMax() error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.KernelH*p.KernelW > maxWindow {
		return fmt.Errorf("%w: a max-pooling window of %dx%d has more than %d elements",
			ErrSpec, p.KernelH, p.KernelW, maxWindow)
	}
	if 2*p.PadH > p.KernelH || 2*p.PadW > p.KernelW {
		return fmt.Errorf("%w: max pooling: padding %dx%d is more than half of the window %dx%d",
			ErrSpec, p.PadH, p.PadW, p.KernelH, p.KernelW)
	}
	return nil
}

func (p Pool) String() string {
	return windowString(p.Src, p.Dst, "window", p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
}
