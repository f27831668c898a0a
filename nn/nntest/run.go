package nntest

import (
	"runtime"
	"testing"

	"ringloom/nn"
)

// Run is the conformance suite. newDevice returns a fresh device, which the suite closes; it may skip the test where
// the device cannot run.
func Run(t *testing.T, newDevice func(t testing.TB) nn.Device) {
	suite := []struct {
		name string
		test func(*testing.T, nn.Device)
	}{
		{"contract", contract},
		{"finite differences", differences},
		{"against the reference", againstReference},
		{"golden lenet", func(t *testing.T, d nn.Device) { GoldenStep(t, d, "lenet") }},
	}
	for _, s := range suite {
		t.Run(s.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			d := newDevice(t)
			defer func() {
				if err := d.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			s.test(t, d)
		})
	}
}
