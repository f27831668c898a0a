package purego

import (
	"math"
	"unsafe"

	"ringloom/nn/op"
)

// bytesOf is a buffer as bytes; this package runs on little-endian processors.
func bytesOf(where []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(where))), 4*len(where))
}

// A value that is not a number wins, as PyTorch has it: an error upstream stays visible.
func maxPoolForward[T element](s op.MaxPoolForward, o *operands[T]) func() {
	c := s.Src.C
	lowest := T(math.Inf(-1))
	place := func(at int) {
		for i := range o.dst[0][at : at+c] {
			o.dst[0][at+i] = lowest
		}
	}
	element := func(at, from, tap int) {
		y := o.dst[0][at : at+c]
		for i, v := range o.src[0][from : from+c] {
			if v > y[i] || v != v {
				y[i] = v
			}
		}
	}
	if s.Inference {
		return func() { forWindows(s.Pool, place, element) }
	}
	var where []byte
	// The first element inside the window is where a window of nothing but minus infinity points to.
	found := make([]bool, c)
	placeToo := func(at int) {
		place(at)
		clear(found)
	}
	elementToo := func(at, from, tap int) {
		y, byte_ := o.dst[0][at:at+c], where[at:at+c]
		for i, v := range o.src[0][from : from+c] {
			if v > y[i] || v != v || !found[i] {
				y[i], byte_[i], found[i] = v, byte(tap), true
			}
		}
	}
	return func() {
		where = bytesOf(o.hostDst[1])
		forWindows(s.Pool, placeToo, elementToo)
		clear(where[s.Dst.Len():])
	}
}

// dx = sum of dy over the windows that x is the largest of
func maxPoolBackward[T element](s op.MaxPoolBackward, o *operands[T]) func() {
	c := s.Src.C
	return func() {
		dx, dy, where := o.dst[0], o.src[0], bytesOf(o.hostSrc[1])
		if !s.Accumulate {
			clear(dx)
		}
		at := 0
		for n := range s.Dst.N {
			for oh := range s.Dst.H {
				for ow := range s.Dst.W {
					corner := ((n*s.Src.H+oh*s.StrideH-s.PadH)*s.Src.W + ow*s.StrideW - s.PadW) * c
					for channel := range c {
						tap := int(where[at])
						dx[corner+(tap/s.KernelW*s.Src.W+tap%s.KernelW)*c+channel] += dy[at]
						at++
					}
				}
			}
		}
		if s.Mask {
			mask(dx, o.mask())
		}
	}
}
