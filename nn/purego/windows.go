package purego

import "ringloom/nn/op"

// windows gathers what a sliding window sees into rows ("im2col"), one row a place: row, column, channel of the
// window. Places are counted over all images of a batch: sample, row, column.
type windows[T element] struct {
	image, places    op.Image // what is looked at, and the grid of places
	kernelH, kernelW int
	gather           func(dst []float64, x []T, n, h, w int)
}

func (w windows[T]) count() int { return w.places.N * w.places.H * w.places.W }

func (w windows[T]) taps() int { return w.kernelH * w.kernelW * w.image.C }

// forwardWindows are those of a convolution's input, one for each pixel of its output.
func forwardWindows[T element](c op.Conv) windows[T] {
	w := windows[T]{image: c.Src, places: c.Dst, kernelH: c.KernelH, kernelW: c.KernelW}
	w.gather = func(dst []float64, x []T, n, oh, ow int) {
		line := c.KernelW * c.Src.C
		left := ow*c.StrideW - c.PadW
		from := min(max(-left, 0), c.KernelW) // of the window's columns, those inside
		to := max(min(c.Src.W-left, c.KernelW), from)
		for kh := range c.KernelH {
			row := dst[kh*line : (kh+1)*line]
			h := oh*c.StrideH + kh - c.PadH
			if h < 0 || h >= c.Src.H || from == to {
				clear(row)
				continue
			}
			at := ((n*c.Src.H+h)*c.Src.W + left + from) * c.Src.C
			clear(row[:from*c.Src.C])
			widen(row[from*c.Src.C:], x[at:at+(to-from)*c.Src.C])
			clear(row[to*c.Src.C:])
		}
	}
	return w
}

// backwardWindows are those of a convolution's output gradient, one for each pixel of its input: tap (kh, kw) is the
// place whose window has the pixel at (kh, kw), or zero where there is none.
func backwardWindows[T element](c op.Conv) windows[T] {
	w := windows[T]{image: c.Dst, places: c.Src, kernelH: c.KernelH, kernelW: c.KernelW}
	pitch, channels := c.Dst.PixelPitch(), c.Dst.C
	w.gather = func(dst []float64, dy []T, n, ih, iw int) {
		for kh := range c.KernelH {
			oh, okH := placeOf(ih, kh, c.StrideH, c.PadH, c.Dst.H)
			for kw := range c.KernelW {
				tap := dst[:channels]
				dst = dst[channels:]
				ow, okW := placeOf(iw, kw, c.StrideW, c.PadW, c.Dst.W)
				if !okH || !okW {
					clear(tap)
					continue
				}
				widen(tap, dy[((n*c.Dst.H+oh)*c.Dst.W+ow)*pitch:][:channels])
			}
		}
	}
	return w
}

// placeOf is where a window must stand along an axis to have input position in at tap k.
func placeOf(in, k, stride, pad, places int) (place int, ok bool) {
	place = in + pad - k
	return place / stride, place >= 0 && place%stride == 0 && place/stride < places
}

// rows gathers the rows of places from up to to.
func (w windows[T]) rows(dst []float64, x []T, from, to int) {
	taps := w.taps()
	for place := from; place < to; place++ {
		line, column := place/w.places.W, place%w.places.W
		w.gather(dst[(place-from)*taps:(place-from+1)*taps], x, line/w.places.H, line%w.places.H, column)
	}
}
