package nntest

import (
	"runtime"
	"testing"

	"ringloom/nn/op"
)

// Run is the conformance suite. newDevice returns a fresh device, which the suite closes; it may skip the test where
// the device cannot run.
func Run(t *testing.T, newDevice func(t testing.TB) op.Device) {
	type part struct {
		name string
		test func(*testing.T, op.Device)
	}
	suite := []part{
		{"contract", contract},
		{"finite differences", differences},
		{"flags", flags},
		{"element by element", naive},
		{"max pooling", maxPoolWhere},
		{"batch norm", batchNormExample},
		{"dropout", dropout},
		{"loss", lossFormula},
		{"optimizers", optimizers},
		{"against the reference", againstReference},
	}
	for _, s := range suite {
		sub(t, s.name, func(t *testing.T) {
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

// sub is t.Run with the thread locked, as devices want it.
func sub(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		test(t)
	})
}
