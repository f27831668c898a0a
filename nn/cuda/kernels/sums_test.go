//go:build gpu && cgo

package kernels_test

import (
	"math"
	"testing"
)

// sums is a scene of sums over the pixels of each channel.
type sums struct {
	*machine
	typ              kind
	pixels, c, pitch int
	shift            int
	grid, finish     shape
}

// eachSum runs a check of small and large sums.
func eachSum(t *testing.T, check func(s sums)) {
	shapes := []struct{ pixels, c, pitch int }{
		{1, 1, 1}, {2, 3, 3}, {100, 1, 1}, {96, 6, 6}, {97, 6, 6}, {60, 10, 16}, {50, 16, 24}, {333, 64, 64}, {9, 1000, 1000},
		{128, 130, 130}, {64, 5, 5}, {1000, 8, 8}, {40, 260, 260},
	}
	eachType(t, func(m *machine, typ kind) {
		for _, z := range shapes {
			for _, g := range []shape{{1, 1, 32}, {2, 3, 96}, {3, 7, 256}} {
				for _, shift := range []int{0, 1} {
					m.begin("%d pixels of %d, pitch %d, shift %d, grid %v", z.pixels, z.c, z.pitch, shift, g)
					finish := shape{1 + g.x%2, 1, g.threads}
					if g.threads == 256 {
						finish.threads = 1024
					}
					check(sums{m, typ, z.pixels, z.c, z.pitch, shift, g, finish})
				}
			}
		}
	})
}

func TestColumnSums(t *testing.T) {
	eachSum(t, func(s sums) {
		wide := s.uniformOf(s.typ, (s.pixels-1)*s.pitch+s.c, s.shift, 0.3, 1)
		partial, sums := s.empty(f32, s.grid.y*s.c, 0), s.empty(f32, s.c, 0)
		want := make([]float64, s.c)
		for i := range s.pixels * s.c {
			want[i%s.c] += wide.v[i/s.c*s.pitch+i%s.c]
		}
		s.launch(s.grid, "column_sums_"+s.typ.String(), partial, wide, s.pixels, s.c, s.pitch)
		s.launch(s.finish, "column_sums_finish", sums, partial, s.grid.y, s.c)
		partial.read("partial")
		s.compareWithin("column_sums", sums, want, 3e-6, math.Sqrt(float64(s.pixels)))
	})
}
