//go:build gpu && cgo

package kernels_test

import (
	"math"
	"slices"
	"testing"
)

// pool is struct pool of pool.cu.
type pool struct{ n, h, w, c, oh, ow, kh, kw, sh, sw, ph, pw int }

func (g pool) structure() structure {
	s := structure{}
	for _, v := range []int{g.n, g.h, g.w, g.c, g.oh, g.ow, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw} {
		s = append(s, int32(v))
	}
	return s
}

// taps calls f with the index of each pixel of the input that output o pools, and with which tap of the window that is.
func (g pool) taps(o int, f func(in, tap int)) {
	c, ow, oh, n := o%g.c, o/g.c%g.ow, o/g.c/g.ow%g.oh, o/g.c/g.ow/g.oh
	for t := range g.kh * g.kw {
		h, w := oh*g.sh-g.ph+t/g.kw, ow*g.sw-g.pw+t%g.kw
		if h >= 0 && h < g.h && w >= 0 && w < g.w {
			f(((n*g.h+h)*g.w+w)*g.c+c, t)
		}
	}
}

func TestPool(t *testing.T) {
	shapes := []pool{
		{2, 4, 6, 3, 0, 0, 2, 2, 2, 2, 0, 0}, {1, 5, 7, 2, 0, 0, 2, 2, 2, 2, 0, 0}, {2, 5, 6, 8, 0, 0, 3, 3, 2, 2, 1, 1},
		{2, 4, 4, 5, 0, 0, 3, 3, 1, 1, 1, 1}, {1, 4, 5, 1, 0, 0, 3, 2, 1, 2, 0, 1}, {2, 3, 4, 16, 0, 0, 3, 4, 1, 1, 0, 0},
		{1, 6, 5, 2, 0, 0, 2, 2, 3, 3, 0, 0}, {1, 9, 9, 96, 0, 0, 3, 3, 2, 2, 0, 0}, {1, 3, 3, 264, 0, 0, 3, 3, 1, 1, 1, 1},
		{3, 6, 6, 6, 0, 0, 2, 2, 2, 2, 0, 0}, {1, 40, 40, 1, 0, 0, 3, 3, 2, 2, 1, 1}, {1, 17, 16, 1, 0, 0, 16, 16, 1, 1, 8, 8},
	}
	eachType(t, func(m *machine, typ kind) {
		for _, l := range grids {
			for _, g := range shapes {
				g.oh, g.ow = (g.h+2*g.ph-g.kh)/g.sh+1, (g.w+2*g.pw-g.kw)/g.sw+1
				for _, shift := range []int{0, 1} {
					m.begin("%+v, shift %d, grid %v", g, shift, l)
					values := make([]float64, g.n*g.h*g.w*g.c)
					for i := range values {
						values[i] = math.Trunc(m.uniform(1, 0, 3)[0]) // many are equal
					}
					checkMaxPool(m, typ, l, g, shift, values)
					checkAveragePool(m, typ, l, g, shift, values)
				}
			}
		}
	})
}

// checkMaxPool has NaN and infinities among the values.
func checkMaxPool(m *machine, typ kind, l shape, g pool, shift int, values []float64) {
	values = slices.Clone(values)
	in, out := len(values), g.n*g.oh*g.ow*g.c
	values[in/2], values[0] = math.NaN(), math.Inf(-1)
	if in > 9 {
		second := 1
		if g.c < in {
			second = g.c
		}
		values[second] = math.Inf(-1)
	}
	x, dy := m.of(typ, shift, values), m.symmetric(typ, out, shift)
	largest, back := make([]float64, out), make([]float64, in)
	places := make([]float64, (out+3)/4*4)
	for o := range out {
		best := -1
		g.taps(o, func(i, tap int) {
			if v := x.v[i]; best < 0 || v > largest[o] || v != v {
				largest[o], places[o], best = v, float64(tap), i
			}
		})
		back[best] += dy.v[o]
	}
	y, where := m.empty(typ, out, 0), m.empty(u8, len(places), 0)
	m.launch(l, "maxpool_"+typ.String(), y, where, x, g.structure())
	for o, v := range y.read("maxpool") { // infinities have no difference
		if w := largest[o]; v != w && !(v != v && w != w) {
			m.fail("maxpool[%d] = %g, want %g", o, v, w)
			break
		}
	}
	m.compareWithin("where", where, places, 0, 1)
	again := m.empty(typ, out, 0)
	m.launch(l, "maxpool_"+typ.String(), again, nil, x, g.structure())
	m.same("maxpool without where", again, y)
	m.gathers("maxpool_backward", typ, back, shift, 1, func(dx *operand, mask any, accumulate bool) {
		m.launch(l, "maxpool_backward_"+typ.String(), dx, dy, where, mask, accumulate, g.structure())
	})
}

func checkAveragePool(m *machine, typ kind, l shape, g pool, shift int, values []float64) {
	out := g.n * g.oh * g.ow * g.c
	x, dy, y := m.of(typ, shift, values), m.symmetric(typ, out, shift), m.empty(typ, out, 0)
	average, back := make([]float64, out), make([]float64, len(values))
	for o := range out {
		g.taps(o, func(i, _ int) {
			average[o] += x.v[i] / float64(g.kh*g.kw)
			back[i] += dy.v[o] / float64(g.kh*g.kw)
		})
	}
	m.launch(l, "avgpool_"+typ.String(), y, x, g.structure())
	m.compare("avgpool", y, average)
	m.gathers("avgpool_backward", typ, back, shift, 1, func(dx *operand, mask any, accumulate bool) {
		m.launch(l, "avgpool_backward_"+typ.String(), dx, dy, mask, accumulate, g.structure())
	})
}
