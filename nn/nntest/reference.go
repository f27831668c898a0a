package nntest

import (
	"math"
	"testing"

	"ringloom/nn"
	"ringloom/nn/purego"
)

// againstReference compares each operation with purego on the same operands. Devices add in another order, so the
// bound is relative to the largest element: a gradient summed over a batch has elements near zero by cancellation.
func againstReference(t *testing.T, d nn.Device) {
	reference := purego.New()
	defer reference.Close()
	for _, spec := range specs(append(smallLayers(), realLayers()...)) {
		t.Run(nn.Kind(spec)+" "+spec.String(), func(t *testing.T) {
			b, ref := bench{t, d}, bench{t, reference}
			lens, _ := nn.Operands(spec)
			got, want := b.empties(lens), ref.empties(lens)
			b.run(b.compile(spec), got, b.source(spec))
			ref.run(ref.compile(spec), want, ref.source(spec))
			for i := range want {
				scale := 0.0
				for _, v := range want[i].Host {
					scale = max(scale, math.Abs(float64(v)))
				}
				for j, v := range want[i].Host {
					if diff := math.Abs(float64(got[i].Host[j]) - float64(v)); !(diff <= 2e-5*scale+1e-7) {
						t.Fatalf("dst[%d][%d] = %g, the reference has %g (largest element %g)", i, j, got[i].Host[j], v, scale)
					}
				}
			}
		})
	}
}
