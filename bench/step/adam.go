package step

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// adam is the update over all parameters at once, with PyTorch's constants.
type adam struct {
	device   op.Device
	kernel   op.Kernel
	dst, src []op.Buffer
	hyper    op.Buffer
	step     int
}

func newAdam(device op.Device, params *nn.Params) (*adam, error) {
	kernel, err := device.Compile(op.AdamUpdate{Len: params.Len()})
	if err != nil {
		return nil, err
	}
	a := &adam{device: device, kernel: kernel, dst: []op.Buffer{params.Values}}
	for range 2 {
		moment, err := device.Alloc(params.Len())
		if err != nil {
			return nil, fmt.Errorf("allocating Adam's moments: %w", err)
		}
		a.dst = append(a.dst, moment)
	}
	if a.hyper, err = device.Alloc(op.HyperLen); err != nil {
		return nil, err
	}
	a.src = []op.Buffer{params.Grads, a.hyper}
	h := a.hyper.Host
	h[op.HyperGradScale], h[op.HyperDecay] = 1, 1
	return a, nil
}

func (a *adam) run() error {
	a.step++
	op.DefaultAdam().SetHyper(a.hyper.Host, a.step)
	if err := op.Push(a.device, a.hyper); err != nil {
		return err
	}
	return a.kernel.Run(a.dst, a.src)
}
