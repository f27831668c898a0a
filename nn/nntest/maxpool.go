package nntest

import (
	"testing"

	"ringloom/nn/op"
)

// maxPoolWhere checks the second result of max pooling, byte by byte, also where values are equal: the first of them
// wins.
func maxPoolWhere(t *testing.T, d op.Device) {
	for _, p := range append(smallPools, realMaxPools...) {
		spec := op.MaxPoolForward{Pool: p}
		sub(t, specName(spec), func(t *testing.T) {
			b := bench{t, d}
			x := b.buffer(p.Src.Len(), 1)
			for i, v := range x.Host { // -1, 0, 1 or 2: many are equal
				x.Host[i] = float32(int(2*v+3)) - 1
			}
			got := b.compute(spec, x)[1]
			if want := b.naiveWhere(p, x); !bitEqual(got.Host, want.Host) {
				t.Errorf("where is %v, want %v", bytesOf(got.Host), bytesOf(want.Host))
			}
		})
	}
}
