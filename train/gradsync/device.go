package gradsync

import (
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// hostDevice computes in the host's memory: it is the device itself or, in the place of an accelerator, purego, which the
// caller closes.
func hostDevice(device op.Device) (_ op.Device, opened *purego.Device) {
	if _, ok := op.AsAccelerator(device); ok {
		opened = purego.New()
		return opened, opened
	}
	return device, nil
}

// blanker makes gradients zero where the device has them.
type blanker struct {
	acc   op.Accelerator // nil for a device that computes in the host's memory
	zeros []float32
}

func (z *blanker) blank(grads op.Buffer, n int) error {
	if z.acc == nil {
		clear(grads.Host)
		return nil
	}
	if len(z.zeros) < n {
		z.zeros = make([]float32, n)
	}
	return z.acc.Put(grads, z.zeros[:n])
}
