//go:build gpu && cgo

package cuda

import (
	"testing"

	"ringloom/nn"
	"ringloom/nn/cuda/emulator"
	"ringloom/nn/nntest"
)

// open returns a device: a real GPU where RINGLOOM_TEST_GPU is set, else the emulator.
func open(t testing.TB, o Options) *Device {
	t.Helper()
	emulator.Use(t)
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	nntest.Run(t, func(t testing.TB) nn.Device { return open(t, Options{Precision: Float32}) })
}
