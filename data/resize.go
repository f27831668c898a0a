package data

import (
	"fmt"
	"math"
)

// precisionBits is the fixed-point precision of PIL's 8-bit resampling: 32 bits, less 8 of the pixel and 2 of headroom.
const precisionBits = 32 - 8 - 2

// Resizer scales square 8-bit images as PIL's Image.resize(BILINEAR) does, pixel by pixel the same: it is what
// torchvision.transforms.Resize applies to a PIL image. A horizontal pass whose result is rounded to 8 bits is
// followed by a vertical one; the weights are a triangle of support 1 (wider when shrinking), normalised, in fixed
// point (Pillow, src/libImaging/Resample.c).
//
// A Resizer holds scratch memory: one goroutine at a time. It allocates nothing after NewResizer.
type Resizer struct {
	from, to int
	taps     int      // input pixels that count for an output pixel
	start    []int    // [to] first of them
	weight   []uint32 // [to, taps]
	rows     []byte   // [from, to] after the horizontal pass
}

// NewResizer prepares from x from to to x to pixels. It panics unless both are positive.
func NewResizer(from, to int) *Resizer {
	if from < 1 || to < 1 {
		panic(fmt.Sprintf("data: resizing from %d to %d pixels", from, to))
	}
	r := &Resizer{from: from, to: to, rows: make([]byte, from*to)}
	r.start, r.weight, r.taps = bilinear(from, to)
	return r
}

// bilinear computes precompute_coeffs and normalize_coeffs_8bpc of Pillow. All outputs get the same number of taps:
// those at the borders that need fewer are shifted inside and padded with zero weights.
func bilinear(from, to int) (start []int, weight []uint32, taps int) {
	scale := float64(from) / float64(to)
	filterScale := max(scale, 1)
	support := filterScale
	type window struct {
		first   int
		weights []float64
	}
	windows := make([]window, to)
	for i := range windows {
		centre := (float64(i) + 0.5) * scale
		first := max(int(centre-support+0.5), 0)
		end := min(int(centre+support+0.5), from)
		w := window{first: first, weights: make([]float64, end-first)}
		sum := 0.0
		for x := range w.weights {
			w.weights[x] = max(0, 1-math.Abs((float64(first+x)-centre+0.5)/filterScale))
			sum += w.weights[x]
		}
		for x := range w.weights {
			w.weights[x] /= sum
		}
		windows[i] = w
		taps = max(taps, end-first)
	}
	start, weight = make([]int, to), make([]uint32, to*taps)
	for i, w := range windows {
		start[i] = min(w.first, from-taps)
		for x, k := range w.weights {
			weight[i*taps+w.first-start[i]+x] = uint32(0.5 + k*(1<<precisionBits))
		}
	}
	return start, weight, taps
}

// Resampling is what a Resizer computes with, for a device that does the same. Both passes use it. Its fields are those of the
// devices' Resampling, so that it converts to one.
type Resampling struct {
	// From is the side of the input images, and Taps the number of input pixels that count for an output pixel.
	From, Taps int
	// Bounds [to, 2] are each output pixel's first input pixel and the number of them that count; Weights [to, Taps] are
	// in units of 2^-22.
	Bounds, Weights []int32
}

// NewResampling prepares from x from to to x to pixels. It panics unless both are positive.
func NewResampling(from, to int) Resampling {
	r := NewResizer(from, to)
	s := Resampling{From: from, Taps: r.taps}
	for _, first := range r.start {
		s.Bounds = append(s.Bounds, int32(first), int32(r.taps))
	}
	for _, k := range r.weight {
		s.Weights = append(s.Weights, int32(k))
	}
	return s
}

// Bytes resizes src [from, from] into dst [to, to].
func (r *Resizer) Bytes(dst, src []byte) {
	if r.from == r.to { // PIL copies then, and the weights would give the same
		copy(dst[:r.to*r.to], src)
		return
	}
	r.horizontal(src)
	for y := range r.to {
		r.vertical(dst[y*r.to:(y+1)*r.to], y)
	}
}

// half rounds to nearest. No sum needs clipping: the weights are not negative and add up to at most
// 2^precisionBits + taps/2, which cannot carry 255 over to 256.
const half = 1 << (precisionBits - 1)

func (r *Resizer) horizontal(src []byte) {
	for y := range r.from {
		in, out := src[y*r.from:(y+1)*r.from], r.rows[y*r.to:(y+1)*r.to]
		for x := range out {
			sum := uint32(half)
			weight := r.weight[x*r.taps : (x+1)*r.taps]
			pixels := in[r.start[x]:][:len(weight)]
			for i, k := range weight {
				sum += k * uint32(pixels[i])
			}
			out[x] = byte(sum >> precisionBits)
		}
	}
}

func (r *Resizer) vertical(dst []byte, y int) {
	weight := r.weight[y*r.taps : (y+1)*r.taps]
	first := r.rows[r.start[y]*r.to:]
	if len(weight) == 2 { // every enlargement
		a, b := first[:len(dst)], first[r.to:][:len(dst)]
		ka, kb := weight[0], weight[1]
		for x := range dst {
			dst[x] = byte((half + ka*uint32(a[x]) + kb*uint32(b[x])) >> precisionBits)
		}
		return
	}
	for x := range dst {
		sum := uint32(half)
		for i, k := range weight {
			sum += k * uint32(first[i*r.to+x])
		}
		dst[x] = byte(sum >> precisionBits)
	}
}

// unit[p] is p/255 in float32, correctly rounded.
var unit = func() (table [256]float32) {
	for p := range table {
		table[p] = float32(p) / 255
	}
	return table
}()

// Normalize divides pixels by 255, as torchvision's ToTensor does. It panics if src is shorter than dst.
func Normalize(dst []float32, src []byte) {
	src = src[:len(dst)]
	n := 0
	if fastNormalize {
		if n = len(dst) &^ 15; n > 0 {
			normalizeAVX2(&dst[0], &src[0], n)
		}
	}
	for i, p := range src[n:] {
		dst[n+i] = unit[p]
	}
}
