package nn

import (
	"errors"
	"fmt"
	"math"
)

// ErrSpec is wrapped by every error about shapes that do not fit together.
var ErrSpec = errors.New("invalid operation")

// maxElements bounds an operand: devices index with 32-bit integers.
const maxElements = math.MaxInt32

func (i Image) String() string { return fmt.Sprintf("%dx%dx%dx%d", i.N, i.H, i.W, i.C) }

func (i Image) validate(what string) error {
	n := 1
	for _, d := range []int{i.N, i.H, i.W, i.C} {
		if d < 1 {
			return fmt.Errorf("%w: the %s %v has a size below 1", ErrSpec, what, i)
		}
		if n > maxElements/d {
			return fmt.Errorf("%w: the %s %v has more than %d elements", ErrSpec, what, i, maxElements)
		}
		n *= d
	}
	return nil
}

// WindowOut is the number of places that a window of the given size takes along an axis of size in:
// (in + 2 pad - kernel)/stride + 1, or 0 where it does not fit.
func WindowOut(in, kernel, stride, pad int) int {
	if in+2*pad < kernel || stride < 1 {
		return 0
	}
	return (in+2*pad-kernel)/stride + 1
}

// validateAxis checks one axis of a sliding window.
func validateAxis(axis string, src, dst, kernel, stride, pad int) error {
	switch {
	case kernel < 1 || stride < 1 || pad < 0:
		return fmt.Errorf("%w: %s: kernel %d and stride %d must be at least 1 and padding %d at least 0", ErrSpec, axis, kernel, stride, pad)
	case kernel > maxElements || stride > maxElements || pad >= kernel:
		return fmt.Errorf("%w: %s: padding %d must be below the kernel size %d", ErrSpec, axis, pad, kernel)
	case WindowOut(src, kernel, stride, pad) < 1:
		return fmt.Errorf("%w: %s: kernel %d does not fit an input of %d with padding %d", ErrSpec, axis, kernel, src, pad)
	case WindowOut(src, kernel, stride, pad) != dst:
		return fmt.Errorf("%w: %s: input %d, kernel %d, stride %d, padding %d give an output of %d, not %d",
			ErrSpec, axis, src, kernel, stride, pad, WindowOut(src, kernel, stride, pad), dst)
	}
	return nil
}

// Validate checks that source, destination and window agree.
func (c Conv) Validate() error {
	if err := c.Src.validate("input"); err != nil {
		return err
	}
	if c.Src.N != c.Dst.N {
		return fmt.Errorf("%w: convolution from %d to %d samples", ErrSpec, c.Src.N, c.Dst.N)
	}
	if err := validateAxis("convolution height", c.Src.H, c.Dst.H, c.KernelH, c.StrideH, c.PadH); err != nil {
		return err
	}
	if err := validateAxis("convolution width", c.Src.W, c.Dst.W, c.KernelW, c.StrideW, c.PadW); err != nil {
		return err
	}
	return errors.Join(c.Dst.validate("output"), Image{c.Dst.C, c.Src.C, c.KernelH, c.KernelW}.validate("weights"))
}

func (c Conv) String() string {
	return fmt.Sprintf("%v -> %v, kernel %dx%d, stride %dx%d, padding %dx%d",
		c.Src, c.Dst, c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
}

// WeightLen is the number of weights.
func (c Conv) WeightLen() int { return c.Dst.C * c.Src.C * c.KernelH * c.KernelW }

// Validate checks the input's shape and the number of outputs.
func (l Linear) Validate() error {
	if err := l.Src.validate("input"); err != nil {
		return err
	}
	return errors.Join(
		Image{l.Src.N, 1, 1, l.Out}.validate("output"),
		Image{l.Out, l.Src.H, l.Src.W, l.Src.C}.validate("weights"))
}

func (l Linear) String() string { return fmt.Sprintf("%v -> %dx%d", l.Src, l.Src.N, l.Out) }

// In is the number of inputs of one sample, Src.C*Src.H*Src.W.
func (l Linear) In() int { return l.Src.C * l.Src.H * l.Src.W }

// Validate checks that source, destination and window agree.
func (p Pool) Validate() error {
	if err := p.Src.validate("input"); err != nil {
		return err
	}
	if p.Src.N != p.Dst.N || p.Src.C != p.Dst.C {
		return fmt.Errorf("%w: pooling from %v to %v changes samples or channels", ErrSpec, p.Src, p.Dst)
	}
	if err := validateAxis("pooling height", p.Src.H, p.Dst.H, p.KernelH, p.StrideH, p.PadH); err != nil {
		return err
	}
	if err := validateAxis("pooling width", p.Src.W, p.Dst.W, p.KernelW, p.StrideW, p.PadW); err != nil {
		return err
	}
	return p.Dst.validate("output")
}

func (p Pool) String() string {
	return fmt.Sprintf("%v -> %v, window %dx%d, stride %dx%d, padding %dx%d",
		p.Src, p.Dst, p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
}

func validateLen(n int) error {
	if n < 1 || n > maxElements {
		return fmt.Errorf("%w: %d elements, not 1 to %d", ErrSpec, n, maxElements)
	}
	return nil
}

// Validate checks the length.
func (s SigmoidForward) Validate() error { return validateLen(s.Len) }

func (s SigmoidForward) String() string { return fmt.Sprintf("%d elements", s.Len) }

// Validate checks the length.
func (s SigmoidBackward) Validate() error { return validateLen(s.Len) }

func (s SigmoidBackward) String() string { return fmt.Sprintf("%d elements", s.Len) }

// Validate checks the batch and the number of classes.
func (s SoftmaxCrossEntropyForward) Validate() error {
	return Image{s.N, 1, 1, s.C}.validate("logits")
}

func (s SoftmaxCrossEntropyForward) String() string {
	return fmt.Sprintf("%d samples, %d classes", s.N, s.C)
}
