//go:build gpu && cgo

package kernels_test

import (
	"encoding/binary"
	"math"
	"testing"

	"ringloom/data"
)

// Images as PIL scales them, to the bit.
func TestLoadPixelsIsPILsToTheBit(t *testing.T) {
	m := open(t)
	const n = 3
	for _, sizes := range [][2]int{{28, 96}, {28, 224}, {28, 28}, {28, 33}, {30, 7}, {5, 1}, {1, 6}} {
		from, to := sizes[0], sizes[1]
		m.begin("%d to %d", from, to)
		images := make([]byte, n*from*from)
		for i := range images {
			images[i] = byte(i * i * 37 >> 3)
		}
		src := m.of(u8, 0, floats(images))
		resampling := data.NewResampling(from, to)
		bounds, weights := m.of(u32, 0, floats(resampling.Bounds)), m.of(u32, 0, floats(resampling.Weights))
		wide, shifted, half := m.empty(f32, n*to*to, 0), m.empty(f32, n*to*to, 1), m.empty(bf16, n*to*to, 0)
		load := func(g shape, name string, dst *operand) {
			m.launch(g, name, dst, src, n, from, to, bounds, weights, resampling.Taps)
			dst.read(name)
		}
		load(shape{5, 1, 64}, "load_pixels_f32", wide)
		load(shape{3, 1, 256}, "load_pixels_f32", shifted)
		load(shape{3, 1, 256}, "load_pixels_bf16", half)
		m.same("the result at an address that 16 does not divide", shifted, wide)

		resizer, pixels, want := data.NewResizer(from, to), make([]byte, to*to), make([]float32, to*to)
		for image := range n {
			resizer.Bytes(pixels, images[image*from*from:])
			data.Normalize(want, pixels)
			for i, w := range want {
				at := image*to*to + i
				if wide.v[at] != float64(w) {
					m.fail("pixel %d of image %d is %v, want %v", i, image, wide.v[at], w)
				}
				// Exactly half way there is no p/255.
				got, rounded := binary.NativeEndian.Uint16(half.raw()[2*at:]), uint16((math.Float32bits(w)+0x8000)>>16)
				if got != rounded {
					m.fail("pixel %d of image %d is %04x in bfloat16, want %04x", i, image, got, rounded)
				}
			}
		}
	}
}

func floats[T byte | int32](values []T) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}
