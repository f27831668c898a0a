package op

import (
	"errors"
	"fmt"
	"math"
)

// ErrSpec is wrapped by every error about shapes that do not fit together.
var ErrSpec = errors.New("invalid operation")

// maxElements bounds an operand: devices index with 32-bit integers.
const maxElements = math.MaxInt32

// WindowOut is the number of places that a window of the given size takes along an axis of size in:
// (in + 2 pad - kernel)/stride + 1, or 0 where it does not fit.
func WindowOut(in, kernel, stride, pad int) int {
	if in+2*pad < kernel || stride < 1 {
		return 0
	}
	return (in+2*pad-kernel)/stride + 1
}

// validateWindow checks that a sliding window makes dst's height and width of src's.
func validateWindow(what string, src, dst Image, kh, kw, sh, sw, ph, pw int) error {
	if src.N != dst.N {
		return fmt.Errorf("%w: %s from %d to %d samples", ErrSpec, what, src.N, dst.N)
	}
	if err := validateAxis(what+" height", src.H, dst.H, kh, sh, ph); err != nil {
		return err
	}
	return validateAxis(what+" width", src.W, dst.W, kw, sw, pw)
}

// validateAxis checks one axis of a sliding window.
func validateAxis(axis string, src, dst, kernel, stride, pad int) error {
	switch {
	case kernel < 1 || stride < 1 || pad < 0:
		return fmt.Errorf("%w: %s: kernel %d and stride %d must be at least 1 and padding %d at least 0",
			ErrSpec, axis, kernel, stride, pad)
	case kernel > maxElements || stride > maxElements || pad > kernel:
		return fmt.Errorf("%w: %s: padding %d must not be above the kernel size %d", ErrSpec, axis, pad, kernel)
	case WindowOut(src, kernel, stride, pad) < 1:
		return fmt.Errorf("%w: %s: kernel %d does not fit an input of %d with padding %d",
			ErrSpec, axis, kernel, src, pad)
	case WindowOut(src, kernel, stride, pad) != dst:
		return fmt.Errorf("%w: %s: input %d, kernel %d, stride %d, padding %d give an output of %d, not %d",
			ErrSpec, axis, src, kernel, stride, pad, WindowOut(src, kernel, stride, pad), dst)
	}
	return nil
}

func windowString(src, dst Image, window string, kh, kw, sh, sw, ph, pw int) string {
	return fmt.Sprintf("%v -> %v, %s %dx%d, stride %dx%d, padding %dx%d", src, dst, window, kh, kw, sh, sw, ph, pw)
}
