//go:build gpu && cgo

package kernels_test

import (
	"math"
	"testing"
)

// dropped is whether an element is dropped out, by the hash of elementwise.cu.
func dropped(i int, key [2]uint32, layer, threshold uint32) bool {
	x := uint32(i) ^ key[0]
	for k := range 2 {
		if k == 1 {
			x += key[1] + layer*0x9E3779B9
		}
		x = (x ^ x>>16) * 0x7feb352d
		x = (x ^ x>>15) * 0x846ca68b
		x ^= x >> 16
	}
	return x < threshold
}

func TestElementwise(t *testing.T) {
	eachType(t, func(m *machine, typ kind) {
		for _, g := range grids {
			for _, n := range []int{1, 3, 4, 37, 1000, 4097} {
				for _, shift := range []int{0, 1} {
					m.begin("%d elements, shift %d, grid %v", n, shift, g)
					checkElementwise(m, typ, g, n, shift)
				}
			}
		}
	})
}

func checkElementwise(m *machine, typ kind, g shape, n, shift int) {
	values, others := m.uniform(n, 0, 1), m.uniform(n, 0, 1)
	values[0] = others[0] // of one sign
	a, b := m.of(typ, shift, values), m.of(typ, 0, others)
	want := make([]float64, n)
	// each checks a kernel of dst, a first source a and what follows, into other memory and in place.
	each := func(name string, f func(i int) float64, rest ...any) {
		for i := range want {
			want[i] = f(i)
		}
		y := m.empty(typ, n, 0)
		m.launch(g, name+"_"+typ.String(), append([]any{y, a}, rest...)...)
		m.compare(name, y, want)
		inPlace := a.copy()
		m.launch(g, name+"_"+typ.String(), append([]any{inPlace, inPlace}, rest...)...)
		m.compare(name+" in place", inPlace, want)
	}
	each("relu", func(i int) float64 { return relu(a.v[i]) }, n)
	each("relu_backward", func(i int) float64 { return masked(a.v[i], b.v[i]) }, b, n)
	each("add", func(i int) float64 { return a.v[i] + b.v[i] }, b, n, false)
	each("add", func(i int) float64 { return relu(a.v[i] + b.v[i]) }, b, n, true)
	each("sigmoid", func(i int) float64 { return 1 / (1 + math.Exp(-a.v[i])) }, n)
	each("sigmoid_backward", func(i int) float64 { return a.v[i] * b.v[i] * (1 - b.v[i]) }, b, n)

	const threshold, layer = 0x4ccccccd, 2
	keys := [2]uint32{0x76543210, 0xfedcba98}
	key := m.of(u32, 0, []float64{float64(keys[0]), float64(keys[1])})
	dropout := func(i int) float64 {
		if dropped(i, keys, layer, threshold) {
			return 0
		}
		return a.v[i] / 0.7
	}
	each("dropout", dropout, key, nil, n, float32(1/0.7), threshold, layer)
	each("dropout", func(i int) float64 { return masked(dropout(i), b.v[i]) }, key, b, n, float32(1/0.7), threshold, layer)

	inPlace := a.copy()
	for i := range want {
		want[i] = masked(a.v[i], b.v[i])
	}
	m.launch(g, "mask_"+typ.String(), inPlace, b, n)
	m.compare("mask", inPlace, want)
}

// masked is v where by is positive, else 0.
func masked(v, by float64) float64 {
	if by > 0 {
		return v
	}
	return 0
}

func TestElementwiseOfNaNAndMinusZero(t *testing.T) {
	eachType(t, func(m *machine, typ kind) {
		m.begin("not a number")
		x := m.of(typ, 0, []float64{math.NaN(), math.Copysign(0, -1)})
		one, y := m.of(typ, 0, []float64{1, math.NaN()}), m.empty(typ, 2, 0)
		m.launch(grids[0], "relu_"+typ.String(), y, x, 2)
		m.compare("relu", y, []float64{math.NaN(), 0})
		if math.Signbit(y.v[1]) {
			m.fail("relu of -0 is -0")
		}
		m.launch(grids[0], "relu_backward_"+typ.String(), y, one, x, 2)
		m.compare("relu_backward", y, []float64{0, 0})
		m.launch(grids[0], "mask_"+typ.String(), one, one, 2)
		m.compare("mask", one, []float64{1, 0})
	})
}
