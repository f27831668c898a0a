//go:build gpu && cgo

package kernels_test

import (
	"math"
	"testing"
)

func TestPermutations(t *testing.T) {
	shapes := []struct{ batch, rows, cols int }{
		{1, 1, 1}, {6, 1, 25}, {16, 6, 25}, {3, 7, 1}, {2, 130, 9}, {1, 200, 200}, {2, 65, 64}, {1, 5000, 3}, {1, 3, 5000}, {4, 127, 128},
		{2, 128, 127}, {1, 129, 130},
	}
	eachType(t, func(m *machine, typ kind) {
		for _, g := range grids {
			for _, s := range shapes {
				m.begin("%d matrices %d x %d, grid %v", s.batch, s.rows, s.cols, g)
				// order is that of v [batch, rows, cols] as [batch, cols, rows].
				order := func(v []float64) []float64 {
					transposed := make([]float64, len(v))
					for i := range v {
						b, r, c := i/s.rows/s.cols, i/s.cols%s.rows, i%s.cols
						transposed[(b*s.cols+c)*s.rows+r] = v[i]
					}
					return transposed
				}
				checkPack(m, typ, g, s.batch, s.rows, s.cols, order)
				n := s.batch * s.rows * s.cols
				x, y, gradient := m.symmetric(typ, n, 0), m.empty(typ, n, 0), m.empty(f32, n, 0)
				m.launch(g, "unpack_gradient_"+typ.String(), gradient, x, s.batch, s.cols, s.rows)
				m.compareWithin("unpack_gradient", gradient, order(x.v), 0, 1)
				m.launch(g, "chw_from_hwc_"+typ.String(), y, x, s.batch, s.rows, s.cols)
				m.compareWithin("chw_from_hwc", y, order(x.v), 0, 1)
				m.gathers("hwc_from_chw", typ, order(x.v), 0, 1, func(dx *operand, mask any, accumulate bool) {
					m.launch(g, "hwc_from_chw_"+typ.String(), dx, x, mask, accumulate, s.batch, s.cols, s.rows)
				})
			}
		}
	})
}

// checkPack packs two tensors with one launch.
func checkPack(m *machine, typ kind, g shape, batch, rows, cols int, order func([]float64) []float64) {
	n := batch * rows * cols
	f, y := m.symmetric(f32, n, 0), m.empty(typ, n, 0)
	f2, y2 := m.symmetric(f32, 4, 0), m.empty(typ, 4, 0)
	// struct pack_entry: two pointers and four ints, as doubles' bits
	entry := func(src, dst *operand, o, i, hw int) []float64 {
		var words []float64
		for _, w := range []uint64{uint64(src.address()), uint64(dst.address()), uint64(o) | uint64(i)<<32, uint64(hw)} {
			words = append(words, math.Float64frombits(w))
		}
		return words
	}
	table := m.of(f64, 0, append(entry(f, y, batch, rows, cols), entry(f2, y2, 1, 2, 2)...))
	m.launch(shape{g.x, 2, g.threads}, "pack_weights_"+typ.String(), table)
	m.compareWithin("pack_weights", y, order(f.v), 0, 1)
	m.compareWithin("pack_weights", y2, []float64{f2.v[0], f2.v[2], f2.v[1], f2.v[3]}, 0, 1)
}
