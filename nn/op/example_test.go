package op_test

import (
	"fmt"

	"ringloom/nn/op"
)

// doubler is a device that has one operation alone. A whole one compiles all that package nntest asks for.
type doubler struct{}

func (doubler) Name() string        { return "doubler" }
func (doubler) Description() string { return "adds on the host, one element at a time" }

func (doubler) Compile(spec op.Spec) (op.Kernel, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if add, ok := spec.(op.Add); ok && !add.ReLU {
		return adder{add}, nil
	}
	return nil, fmt.Errorf("%s: %w", spec.Kind(), op.ErrUnsupported)
}

func (doubler) Alloc(n int) (op.Buffer, error) { return op.NewHostBuffer(n) }
func (doubler) Close() error                   { return nil }

// adder computes y = a + b: dst = {y}, src = {a, b}.
type adder struct{ op.Add }

func (k adder) Run(dst, src []op.Buffer) error {
	for i := range k.Len {
		dst[0].Host[i] = src[0].Host[i] + src[1].Host[i]
	}
	return nil
}

// Example_device writes a device: it compiles specs to kernels and owns the memory that they work on. Hold yours against
// nntest.Run, and give it a name in package run.
func Example_device() {
	var device op.Device = doubler{}
	x, _ := device.Alloc(3)
	y, _ := device.Alloc(3)
	copy(x.Host, []float32{1, 2, 3})

	kernel, err := device.Compile(op.Add{Len: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := kernel.Run([]op.Buffer{y}, []op.Buffer{x, x}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(y.Host)

	_, err = device.Compile(op.SigmoidForward{Len: 3})
	fmt.Println(err)
	// Output:
	// [2 4 6]
	// sigmoid: operation not supported by this device
}
