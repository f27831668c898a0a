package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// dropout checks which elements are kept, and that layers and keys keep different ones.
func dropout(t *testing.T, d op.Device) {
	const n = 20000
	b := bench{t, d}
	ones := b.zeros(n)
	for i := range ones.Host {
		ones.Host[i] = 1
	}
	kept := func(rate float32, layer uint32, bits uint64) []bool {
		key := b.zeros(2)
		setKey(key, bits)
		y := b.compute(op.Dropout{Len: n, Rate: rate, Layer: layer}, ones, key)[0].Host
		keep := make([]bool, n)
		for i, v := range y {
			want := float32(0)
			if keep[i] = op.DropoutKeeps(rate, layer, [2]uint32{uint32(bits), uint32(bits >> 32)}, i); keep[i] {
				want = 1 / (1 - rate)
			}
			if math.Abs(float64(v-want)) > 1e-6 {
				t.Fatalf("rate %v, layer %d, key %x: element %d of ones is %v, want %v", rate, layer, bits, i, v, want)
			}
		}
		return keep
	}
	share := func(v []bool) float64 {
		count := 0
		for _, x := range v {
			if x {
				count++
			}
		}
		return float64(count) / n
	}
	for _, rate := range []float32{0, 0.1, 0.5, 0.9} {
		deviation := math.Sqrt(float64(rate)*float64(1-rate)/n) + 1e-9
		if got := share(kept(rate, 0, 0xfedcba9876543210)); math.Abs(got-float64(1-rate)) > 4*deviation {
			t.Errorf("rate %v keeps %v", rate, got)
		}
	}
	// Two independent halves agree on half of the elements.
	const bits = 0x0000000700000003
	one := kept(0.5, 0, bits)
	for _, other := range []struct {
		layer uint32
		bits  uint64
	}{{1, bits}, {2, bits}, {0, bits + 1}, {0, bits + 1<<32}, {0, bits | 1<<63}} {
		two := kept(0.5, other.layer, other.bits)
		agree := make([]bool, n)
		for i := range agree {
			agree[i] = one[i] == two[i]
		}
		if got := share(agree); math.Abs(got-0.5) > 4*math.Sqrt(0.25/n) {
			t.Errorf("layer 0 with key %x and layer %d with key %x agree on %v of the elements", uint64(bits), other.layer, other.bits, got)
		}
	}
}
