//go:build gpu && cgo

package libs

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onEmulator says that cuDNN, which has been loaded, is the emulator's.
func onEmulator() bool {
	return slices.ContainsFunc(Loaded(), func(l Library) bool {
		return l.Name == cuDNN && strings.HasPrefix(filepath.Base(l.Path), "libringloom-emulator")
	})
}

// eighths returns n random multiples of 1/8 up to 1: bfloat16 and TF32 hold them, and float32 their products' sums,
// exactly.
func eighths(rng *rand.Rand, n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(rng.IntN(17)-8) / 8
	}
	return values
}

// nans is n times NaN, for memory that must not be read.
func nans(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(math.Float32frombits(0x7fc00000))
	}
	return values
}

// compare fails where got is off by more than a bfloat16's rounding, or for float32 by more than what Winograd and
// FFT algorithms may lose. NaN equals NaN alone.
func compare(t testing.TB, what string, got, want []float32, bf16 bool) {
	t.Helper()
	tolerance := 1e-4
	if bf16 {
		tolerance = 1.0 / 128
	}
	for i, g := range got {
		w := want[i]
		if g == w || g != g && w != w {
			continue
		}
		if limit := tolerance * max(1, math.Abs(float64(w))); !(math.Abs(float64(g)-float64(w)) <= limit) {
			t.Fatalf("%s: element %d is %v, not %v", what, i, g, w)
		}
	}
}
