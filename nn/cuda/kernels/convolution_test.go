//go:build gpu && cgo

package kernels_test

import (
	"slices"
	"testing"
)

// convolution is struct convolution of common.cuh.
type convolution struct{ n, h, w, c, oh, ow, oc, kh, kw, sh, sw, ph, pw int }

func (s convolution) structure() structure {
	out := structure{}
	for _, v := range []int{s.n, s.h, s.w, s.c, s.oh, s.ow, s.oc, s.kh, s.kw, s.sh, s.sw, s.ph, s.pw} {
		out = append(out, int32(v))
	}
	return out
}

// columns is how many elements a window has, rows how many windows there are.
func (s convolution) columns() int { return s.kh * s.kw * s.c }
func (s convolution) rows() int    { return s.n * s.oh * s.ow }
func (s convolution) input() int   { return s.n * s.h * s.w * s.c }

// each calls f for each element of each window: which row and column it is, and its index in the input.
func (s convolution) each(f func(row, column, in int)) {
	for row := range s.rows() {
		for column := range s.columns() {
			ox, oy, n := row%s.ow, row/s.ow%s.oh, row/s.ow/s.oh
			c, kx, ky := column%s.c, column/s.c%s.kw, column/s.c/s.kw
			iy, ix := oy*s.sh-s.ph+ky, ox*s.sw-s.pw+kx
			if iy >= 0 && iy < s.h && ix >= 0 && ix < s.w {
				f(row, column, ((n*s.h+iy)*s.w+ix)*s.c+c)
			}
		}
	}
}

var convolutions = []convolution{
	{2, 5, 4, 3, 5, 4, 2, 3, 3, 1, 1, 1, 1}, {1, 7, 9, 1, 3, 3, 4, 3, 5, 2, 3, 0, 2}, {3, 4, 4, 2, 2, 2, 5, 1, 1, 2, 2, 0, 0},
	{2, 3, 2, 1, 5, 3, 1, 2, 2, 1, 1, 2, 1},
}

func TestPatches(t *testing.T) {
	eachType(t, func(m *machine, typ kind) {
		for _, s := range convolutions {
			for _, g := range grids {
				for _, accumulate := range []bool{false, true} {
					m.begin("%+v, grid %v", s, g)
					stride := (s.columns() + typ.widest() - 1) / typ.widest() * typ.widest()
					x, all := m.symmetric(typ, s.input(), 0), m.empty(typ, s.rows()*stride, 0)
					gradients := m.symmetric(f32, s.rows()*stride, 0)
					patches, back := make([]float64, s.rows()*stride), make([]float64, s.input())
					if accumulate {
						copy(back, x.v)
					}
					s.each(func(row, column, in int) {
						patches[row*stride+column] = x.v[in]
						back[in] += gradients.v[row*stride+column]
					})
					m.launch(g, "patches_"+typ.String(), all, x, s.structure(), stride)
					m.compareWithin("patches", all, patches, 0, 1)
					m.launch(g, "sum_patches_"+typ.String(), x, gradients, s.structure(), stride, accumulate)
					m.compareWithin("sum_patches", x, back, 1e-5, 1)
				}
			}
		}
	})
}

// The result of a convolution and its two gradients, by one loop over its products.
func TestConvolutionSamples(t *testing.T) {
	const forward, data, weights = 0, 1, 2
	const nothing, added, biased = 0, 1, 2 // what is done with the sums: added is to what is there, biased is a bias and ReLU
	shapes := slices.Clone(convolutions)
	shapes[3].ph = 1 // its windows in the padding alone are patches', no convolution's
	eachType(t, func(m *machine, typ kind) {
		for _, s := range shapes {
			for _, pass := range []int{forward, data, weights} {
				for _, extra := range []int{nothing, added, biased} {
					if extra == biased && pass != forward {
						continue
					}
					m.begin("%+v, pass %d, extra %d", s, pass, extra)
					x, w := m.symmetric(typ, s.input(), 0), m.symmetric(typ, s.oc*s.columns(), 0)
					y, bias := m.symmetric(typ, s.rows()*s.oc, 0), m.symmetric(f32, s.oc, 0)
					old := []*operand{y, x, w}[pass]
					want := make([]float64, len(old.v))
					for i := range want {
						switch extra {
						case added:
							want[i] = old.v[i]
						case biased:
							want[i] = bias.v[i%s.oc]
						}
					}
					s.each(func(row, column, in int) {
						for oc := range s.oc {
							to, by := row*s.oc+oc, oc*s.columns()+column
							switch pass {
							case forward:
								want[to] += x.v[in] * w.v[by]
							case data:
								want[in] += w.v[by] * y.v[to]
							case weights:
								want[by] += x.v[in] * y.v[to]
							}
						}
					})
					if extra == biased {
						for i, v := range want {
							want[i] = relu(v)
						}
					}
					checkSamples(m, want, func(dst *operand, run int) {
						m.launch(shape{len(dst.v), 1, 7}, "conv_samples_"+typ.String(), dst, when(pass != data, x), when(pass != weights, w),
							when(pass != forward, y), when(extra == added, old), when(extra == biased, bias), extra == biased, s.structure(),
							run, len(want))
					})
				}
			}
		}
	})
}

// checkSamples takes samples at four runs of three places, evenly from first to last, and at all places.
func checkSamples(m *machine, want []float64, launch func(dst *operand, run int)) {
	m.t.Helper()
	for _, run := range []int{3, 1000} {
		count := len(want)
		if run == 3 {
			count = min(count, 12)
		}
		dst, some := m.empty(f32, count, 0), make([]float64, count)
		for i := range some {
			some[i] = want[i]
			if count < len(want) {
				some[i] = want[i/3*(len(want)-3)/3+i%3]
			}
		}
		launch(dst, run)
		m.compareWithin("samples", dst, some, 1e-5, 1)
	}
}
