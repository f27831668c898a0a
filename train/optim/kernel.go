package optim

import "ringloom/nn"

// Call is a kernel bound to its operands.
type Call struct {
	Kernel   nn.Kernel
	Dst, Src []nn.Buffer
}

// Run computes it, or queues it on an accelerator.
func (c *Call) Run() error { return c.Kernel.Run(c.Dst, c.Src) }
