package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// tolerance is how far a result of a spec may be from the exact one, relative to the root mean square of all its
// elements. Sums are added in any order; convolutions may be transformed first (Winograd), which loses some digits.
func tolerance(spec op.Spec) float64 {
	switch spec.(type) {
	case op.ConvForward, op.ConvBackwardData, op.ConvBackwardWeights:
		return 2e-4
	case op.LinearForward, op.LinearBackwardData, op.LinearBackwardWeights:
		return 1e-4
	case op.MaxPoolForward, op.MaxPoolBackward, op.ReLUForward, op.ReLUBackward, op.Add, op.Dropout, op.ChannelCopy:
		return 1e-6
	}
	return 2e-5
}

// closeTo compares result i of a spec with what is wanted.
func closeTo(t *testing.T, spec op.Spec, i int, got, want []float32) {
	t.Helper()
	usual := rms(want)
	for j, w := range want {
		if diff := math.Abs(float64(got[j]) - float64(w)); !(diff <= tolerance(spec)*max(usual, math.Abs(float64(w)))+1e-7) {
			t.Fatalf("%s %v: dst[%d][%d] = %g, want %g: off by %.2g of the usual size %.3g", spec.Kind(), spec, i, j, got[j], w, diff/usual, usual)
		}
	}
}

// holdsBytes reports whether result i of a spec holds bytes, not numbers.
func holdsBytes(spec op.Spec, i int) bool {
	_, is := spec.(op.MaxPoolForward)
	return is && i == 1
}
