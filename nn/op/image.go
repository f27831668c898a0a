package op

import "fmt"

// Image is the shape of a batch of activations, stored NHWC (channels innermost). A matrix [N, C] is an Image of
// height and width one.
type Image struct {
	N, H, W, C int
	// Pitch is the distance from one pixel to the next in elements; 0 means C, that is no gaps. A larger pitch makes
	// the Image a range of channels of a wider one: so a branch writes straight into the concatenation. Only the
	// results of convolutions (Conv.Dst) and ChannelCopy have one.
	Pitch int
}

// Len is the number of elements, gaps not counted.
func (i Image) Len() int { return i.N * i.H * i.W * i.C }

// PixelPitch is Pitch with its default filled in.
func (i Image) PixelPitch() int {
	if i.Pitch == 0 {
		return i.C
	}
	return i.Pitch
}

// Span is the number of elements from the first to behind the last, gaps counted: the length of an operand.
func (i Image) Span() int { return (i.N*i.H*i.W-1)*i.PixelPitch() + i.C }

func (i Image) String() string {
	if i.Pitch != 0 && i.Pitch != i.C {
		return fmt.Sprintf("%dx%dx%dx%d of %d", i.N, i.H, i.W, i.C, i.Pitch)
	}
	return fmt.Sprintf("%dx%dx%dx%d", i.N, i.H, i.W, i.C)
}

// Validate returns an error that wraps ErrSpec and calls the image what, where a size or the pitch makes no sense.
func (i Image) Validate(what string) error {
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
	if i.Pitch != 0 && (i.Pitch < i.C || i.Pitch > maxElements/(i.N*i.H*i.W)) {
		return fmt.Errorf("%w: the %s %v has a pitch that is smaller than its channels, or far too large",
			ErrSpec, what, i)
	}
	return nil
}

// validateDense is Validate for operands that cannot have a pitch.
func (i Image) validateDense(what string) error {
	if i.PixelPitch() != i.C {
		return fmt.Errorf("%w: the %s %v cannot have gaps between its pixels", ErrSpec, what, i)
	}
	return i.Validate(what)
}
