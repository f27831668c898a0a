package optim

import "ringloom/nn/op"

// Call is a kernel bound to its operands.
type Call struct {
	Kernel   op.Kernel
	Dst, Src []op.Buffer
}

// Run computes it, or queues it on an accelerator.
func (c *Call) Run() error { return c.Kernel.Run(c.Dst, c.Src) }
