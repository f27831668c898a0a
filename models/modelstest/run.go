package modelstest

import (
	"runtime"
	"testing"

	"ringloom/nn/op"
)

// Run compares the first training steps of every model with its golden file. newDevice returns a fresh device, which
// Run closes; it may skip the test where the device cannot run.
func Run(t *testing.T, newDevice func(t testing.TB) op.Device) {
	for _, file := range GoldenFiles(t) {
		t.Run(file, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			d := newDevice(t)
			defer func() {
				if err := d.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			GoldenStep(t, d, file)
		})
	}
}
