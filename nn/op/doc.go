// Package op is the vocabulary between a network and a device: the operations of a training step, their shapes and
// operands, and what a device that runs them promises. It imports nothing of this module, and no graph: a device is
// written against it alone.
//
// A [Spec] is one operation at fixed shapes, such as a [ConvForward]; it validates its shapes and lists its operands.
// A [Device] compiles a Spec to a [Kernel], which runs on [Buffer] values of the device's memory:
//
//	spec := op.ReLUForward{Len: 1000}
//	kernel, err := device.Compile(spec)
//	x, err := device.Alloc(1000)
//	err = kernel.Run([]op.Buffer{x}, []op.Buffer{x}) // its operands say that it may work in place
//
// Activations are NHWC, parameters in PyTorch's order. Each type documents its operands, their shapes and its formula;
// the files are one family each (spec_conv.go, spec_norm.go, ...). What an optimizer may change from step to step
// travels in an operand laid out by the Hyper constants.
//
// # Devices
//
// A Device computes in the host's memory, and Kernel.Run returns when it is done. An [Accelerator] has a memory of its
// own and a queue: Run returns at once, and [Push] and [Pull] move data between a buffer and its mirror on the host.
// Both belong to one OS thread (runtime.LockOSThread); nothing here starts a goroutine. A [Tuner] chooses among several
// algorithms by trying them.
//
// # Writing a device
//
// Package purego is the plainest device to start from, and its example the smallest one. Package nntest has the tests
// that every device must pass, package modelstest those of whole training steps.
package op
