package nntest

import (
	"testing"

	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// againstReference compares each operation with purego on the same operands.
func againstReference(t *testing.T, d op.Device) {
	if _, same := d.(*purego.Device); same {
		t.Skip("this device is the reference")
	}
	reference := purego.New()
	defer reference.Close()
	for _, spec := range allSpecs() {
		sub(t, specName(spec), func(t *testing.T) {
			b, ref := bench{t, d}, bench{t, reference}
			got, want := b.compute(spec, b.source(spec)...), ref.compute(spec, ref.source(spec)...)
			for i := range want {
				if holdsBytes(spec, i) {
					if !bitEqual(got[i].Host, want[i].Host) {
						t.Errorf("dst[%d] differs from the reference's", i)
					}
					continue
				}
				closeTo(t, spec, i, written(spec, i, got[i].Host), written(spec, i, want[i].Host))
			}
		})
	}
}
