package op_test

import (
	"errors"
	"fmt"

	"ringloom/nn/op"
)

// device knows one operation. A device that is to train has them all, and passes the tests of package nntest.
type device struct{}

func (device) Name() string        { return "minimal" }
func (device) Description() string { return "an example, on one thread" }
func (device) Close() error        { return nil }

// Alloc gives the host's own memory. A device with a memory of its own is an op.Accelerator.
func (device) Alloc(n int) (op.Buffer, error) { return op.NewHostBuffer(n) }

// Compile does what can be done once: it checks the shapes, picks the algorithm and allocates what that needs.
func (device) Compile(spec op.Spec) (op.Kernel, error) {
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("minimal: %w", err)
	}
	if s, ok := spec.(op.ReLUForward); ok {
		return relu{s}, nil
	}
	return nil, fmt.Errorf("minimal: %s %v: %w", spec.Kind(), spec, op.ErrUnsupported)
}

// relu is a kernel: its operands are those that the Spec documents, and Run allocates nothing.
type relu struct{ op.ReLUForward }

func (k relu) Run(dst, src []op.Buffer) error {
	if len(dst) != 1 || len(src) != 1 || len(dst[0].Host) != k.Len || len(src[0].Host) != k.Len {
		return errors.New("minimal: relu takes one operand and gives one")
	}
	for i, x := range src[0].Host {
		dst[0].Host[i] = max(0, x)
	}
	return nil
}

// A device compiles operations to kernels, which run on buffers of its memory.
func Example_writeADevice() {
	var d op.Device = device{}
	defer d.Close()

	kernel, err := d.Compile(op.ReLUForward{Len: 4})
	if err != nil {
		panic(err)
	}
	x, err := d.Alloc(4)
	if err != nil {
		panic(err)
	}
	copy(x.Host, []float32{-2, -1, 1, 2})
	operands := []op.Buffer{x}
	if err := kernel.Run(operands, operands); err != nil { // its operands say that it may work in place
		panic(err)
	}
	fmt.Println(x.Host)

	_, err = d.Compile(op.SigmoidForward{Len: 4})
	fmt.Println(err)
	// Output:
	// [0 0 1 2]
	// minimal: sigmoid 4 elements: operation not supported by this device
}
