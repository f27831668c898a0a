package gradsync

import (
	"ringloom/nn"
	"ringloom/nn/purego"
)

// hostAlloc is memory that nothing but the host needs.
func hostAlloc(device nn.Device, n int) (nn.Buffer, error) {
	if _, ok := device.(nn.Accelerator); ok {
		return nn.NewHostBuffer(n)
	}
	return device.Alloc(n)
}

// hostDevice computes in the host's memory: it is the device itself or, in the place of an accelerator, purego, which the
// caller closes.
func hostDevice(device nn.Device) (_ nn.Device, opened *purego.Device) {
	if _, ok := device.(nn.Accelerator); ok {
		opened = purego.New()
		return opened, opened
	}
	return device, nil
}

// blanker makes gradients zero where the device has them.
type blanker struct {
	acc   nn.Accelerator // nil for a device that computes in the host's memory
	zeros []float32
}

func (z *blanker) blank(grads nn.Buffer, n int) error {
	if z.acc == nil {
		clear(grads.Host)
		return nil
	}
	if len(z.zeros) < n {
		z.zeros = make([]float32, n)
	}
	return z.acc.Put(grads, z.zeros[:n])
}
