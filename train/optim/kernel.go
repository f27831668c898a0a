package optim

import "ringloom/nn/op"

// Call is a kernel bound to its operands.
type Call struct {
	Kernel   op.Kernel
	Dst, Src []op.Buffer
}

// Run computes it, or queues it on an accelerator.
func (c *Call) Run() error { return c.Kernel.Run(c.Dst, c.Src) }

// NewCopy is dst = src, n elements each, on the device.
func NewCopy(device op.Device, dst, src op.Buffer, n int) (Call, error) {
	whole := op.Image{N: 1, H: 1, W: 1, C: n}
	kernel, err := device.Compile(op.ChannelCopy{Src: whole, Dst: whole})
	return Call{Kernel: kernel, Dst: []op.Buffer{dst}, Src: []op.Buffer{src}}, err
}
