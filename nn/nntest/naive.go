package nntest

import (
	"testing"
	"unsafe"

	"ringloom/nn/op"
)

// naive compares convolutions and linear layers of real sizes, element by element, with the sums that their specs
// document, added up in float64. The elements are the first, the last, and some between.
func naive(t *testing.T, d op.Device) {
	const elements = 100
	for _, spec := range allLayerSpecs() {
		oracle := naiveElement(spec)
		if oracle == nil {
			continue
		}
		sub(t, specName(spec), func(t *testing.T) {
			b := bench{t, d}
			src := b.source(spec)
			dst := b.compute(spec, src...)
			for i := range dst {
				got := written(spec, i, dst[i].Host)
				count := min(len(got), elements)
				some, want := make([]float32, count), make([]float32, count)
				for k := range count {
					at := k * (len(got) - 1) / max(count-1, 1)
					some[k], want[k] = got[at], float32(oracle(src, i, at))
				}
				closeTo(t, spec, i, some, want)
			}
		})
	}
}

// written is result i of a spec without the gaps between its pixels.
func written(spec op.Spec, i int, v []float32) []float32 {
	shape, ok := pitched(spec, i)
	if !ok {
		return v
	}
	dense := make([]float32, 0, shape.Len())
	for at := 0; at < len(v); at += shape.PixelPitch() {
		dense = append(dense, v[at:at+shape.C]...)
	}
	return dense
}

// pitched is the shape of result i of a spec if that may have a pitch.
func pitched(spec op.Spec, i int) (op.Image, bool) {
	switch s := spec.(type) {
	case op.ConvForward:
		return s.Dst, i == 0
	case op.ChannelCopy:
		return s.Dst, i == 0
	}
	return op.Image{}, false
}

// naiveElement returns the function that computes element j of result i of an unfused convolution or linear layer, or
// nil for other specs.
func naiveElement(spec op.Spec) func(src []op.Buffer, i, j int) float64 {
	switch s := spec.(type) {
	case op.ConvForward:
		if s.ReLU {
			return nil
		}
		return func(src []op.Buffer, _, j int) float64 {
			place, out := j/s.Dst.C, j%s.Dst.C
			sum := 0.0
			if !s.NoBias {
				sum = float64(src[2].Host[out])
			}
			forTaps(s.Conv, place, func(x, tap int) {
				for c := range s.Src.C {
					sum += float64(src[0].Host[x+c]) * float64(src[1].Host[weightAt(s.Conv, out, c, tap)])
				}
			})
			return sum
		}
	case op.ConvBackwardData:
		if s.Accumulate || s.Mask {
			return nil
		}
		return func(src []op.Buffer, _, j int) float64 {
			pixel, c, sum := j/s.Src.C, j%s.Src.C, 0.0
			n, ih, iw := pixel/(s.Src.H*s.Src.W), pixel/s.Src.W%s.Src.H, pixel%s.Src.W
			for tap := range s.KernelH * s.KernelW {
				h, w := ih+s.PadH-tap/s.KernelW, iw+s.PadW-tap%s.KernelW
				oh, ow := h/s.StrideH, w/s.StrideW
				if h < 0 || w < 0 || h%s.StrideH != 0 || w%s.StrideW != 0 || oh >= s.Dst.H || ow >= s.Dst.W {
					continue
				}
				place := (n*s.Dst.H+oh)*s.Dst.W + ow
				for out := range s.Dst.C {
					sum += float64(src[0].Host[place*s.Dst.PixelPitch()+out]) * float64(src[1].Host[weightAt(s.Conv, out, c, tap)])
				}
			}
			return sum
		}
	case op.ConvBackwardWeights:
		return func(src []op.Buffer, i, j int) float64 {
			sum, pitch := 0.0, s.Dst.PixelPitch()
			window := s.KernelH * s.KernelW
			for place := range s.Dst.N * s.Dst.H * s.Dst.W {
				if i == 1 {
					sum += float64(src[0].Host[place*pitch+j])
					continue
				}
				out, c, tap := j/(s.Src.C*window), j/window%s.Src.C, j%window
				if x, ok := tapAt(s.Conv, place, tap); ok {
					sum += float64(src[0].Host[place*pitch+out]) * float64(src[1].Host[x+c])
				}
			}
			return sum
		}
	case op.LinearForward:
		if s.ReLU {
			return nil
		}
		return func(src []op.Buffer, _, j int) float64 {
			n, out := j/s.Out, j%s.Out
			sum := float64(src[2].Host[out])
			for in := range s.In() {
				sum += float64(src[0].Host[flatAt(s.Src, n, in)]) * float64(src[1].Host[out*s.In()+in])
			}
			return sum
		}
	case op.LinearBackwardWeights:
		return func(src []op.Buffer, i, j int) float64 {
			sum := 0.0
			for n := range s.Src.N {
				if i == 1 {
					sum += float64(src[0].Host[n*s.Out+j])
				} else {
					sum += float64(src[0].Host[n*s.Out+j/s.In()]) * float64(src[1].Host[flatAt(s.Src, n, j%s.In())])
				}
			}
			return sum
		}
	case op.LinearBackwardData:
		if s.Accumulate || s.Mask {
			return nil
		}
		pixels := s.Src.H * s.Src.W
		return func(src []op.Buffer, _, j int) float64 {
			sum := 0.0
			n, in := j/s.In(), j%s.Src.C*pixels+j%s.In()/s.Src.C
			for out := range s.Out {
				sum += float64(src[0].Host[n*s.Out+out]) * float64(src[1].Host[out*s.In()+in])
			}
			return sum
		}
	}
	return nil
}

func weightAt(c op.Conv, out, channel, tap int) int {
	return (out*c.Src.C+channel)*c.KernelH*c.KernelW + tap
}

// flatAt is where input in of sample n lies in an image that a linear layer reads in the order C, H, W.
func flatAt(shape op.Image, n, in int) int {
	pixels := shape.H * shape.W
	return (n*pixels+in%pixels)*shape.C + in/pixels
}

// tapAt is the offset of the input pixel under a tap of the window at a place; false in the padding.
func tapAt(c op.Conv, place, tap int) (x int, ok bool) {
	n, oh, ow := place/(c.Dst.H*c.Dst.W), place/c.Dst.W%c.Dst.H, place%c.Dst.W
	h, w := oh*c.StrideH-c.PadH+tap/c.KernelW, ow*c.StrideW-c.PadW+tap%c.KernelW
	return ((n*c.Src.H+h)*c.Src.W + w) * c.Src.C, h >= 0 && h < c.Src.H && w >= 0 && w < c.Src.W
}

func forTaps(c op.Conv, place int, f func(x, tap int)) {
	for tap := range c.KernelH * c.KernelW {
		if x, ok := tapAt(c, place, tap); ok {
			f(x, tap)
		}
	}
}

// asConv is the convolution that slides over the same windows.
func asConv(p op.Pool) op.Conv {
	return op.Conv{
		Src: p.Src, Dst: p.Dst, KernelH: p.KernelH, KernelW: p.KernelW,
		StrideH: p.StrideH, StrideW: p.StrideW, PadH: p.PadH, PadW: p.PadW,
	}
}

// naiveWhere is the operand where that max pooling makes of x.
func (b bench) naiveWhere(p op.Pool, x op.Buffer) op.Buffer {
	buf := b.zeros(p.WhereLen())
	where := bytesOf(buf.Host)
	for j := range p.Dst.Len() {
		best := -1
		var largest float32
		forTaps(asConv(p), j/p.Dst.C, func(at, tap int) {
			if v := x.Host[at+j%p.Dst.C]; best < 0 || v > largest {
				best, largest = tap, v
			}
		})
		where[j] = byte(best)
	}
	return buf
}

func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
