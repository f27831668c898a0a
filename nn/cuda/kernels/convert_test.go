//go:build gpu && cgo

package kernels_test

import (
	"encoding/binary"
	"math"
	"testing"
)

// Every bfloat16 as the upper half of a float32, with every case of rounding in the lower half.
func TestRoundingIsToNearestEven(t *testing.T) {
	m := open(t)
	lowers := []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}
	var bits []uint32
	var values []float64
	for upper := range uint32(0x10000) {
		for _, lower := range lowers {
			bits = append(bits, upper<<16|lower)
			values = append(values, float64(math.Float32frombits(upper<<16|lower)))
		}
	}
	for _, shift := range []int{0, 1} { // in vectors, and one by one
		m.begin("rounding, shift %d", shift)
		wide, narrow := m.of(f32, shift, values), m.empty(bf16, len(values), shift)
		m.launch(shape{3, 1, 96}, "cast_bf16", narrow, wide, len(values))
		narrow.read("cast")
		for i, b := range bits {
			if v := values[i]; v != v {
				if got := narrow.v[i]; got == got {
					m.fail("%08x, which is not a number, becomes %g", b, got)
				}
				continue
			}
			want := b >> 16
			if lower := b & 0xffff; lower > 0x8000 || lower == 0x8000 && want%2 == 1 {
				want++
			}
			if got := binary.NativeEndian.Uint16(narrow.raw()[2*i:]); uint32(got) != want {
				m.fail("%08x is rounded to %04x, want %04x", b, got, want)
			}
		}
	}
}

func TestCasts(t *testing.T) {
	eachType(t, func(m *machine, typ kind) {
		for _, g := range grids {
			for _, n := range []int{1, 3, 4, 37, 1000, 4097} {
				for _, shift := range []int{0, 1} {
					m.begin("%d elements, shift %d, grid %v", n, shift, g)
					a, f := m.symmetric(typ, n, shift), m.symmetric(f32, n, shift)
					y, back := m.empty(typ, n, 0), m.empty(f32, n, 0)
					m.launch(g, "cast_"+typ.String(), y, f, n)
					m.compareWithin("cast", y, f.v, 0, 1)
					m.launch(g, "uncast_"+typ.String(), back, a, n)
					m.compareWithin("uncast", back, a.v, 0, 1)
				}
			}
		}
	})
}
