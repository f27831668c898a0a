package step

import (
	"fmt"

	"ringloom/nn"
)

// adam is the update over all parameters at once, with PyTorch's constants.
type adam struct {
	device   nn.Device
	kernel   nn.Kernel
	dst, src []nn.Buffer
	hyper    nn.Buffer
	step     int
}

func newAdam(device nn.Device, params *nn.Params) (*adam, error) {
	kernel, err := device.Compile(nn.AdamUpdate{Len: params.Len()})
	if err != nil {
		return nil, err
	}
	a := &adam{device: device, kernel: kernel, dst: []nn.Buffer{params.Values}}
	for range 2 {
		moment, err := device.Alloc(params.Len())
		if err != nil {
			return nil, fmt.Errorf("allocating Adam's moments: %w", err)
		}
		a.dst = append(a.dst, moment)
	}
	if a.hyper, err = device.Alloc(nn.HyperLen); err != nil {
		return nil, err
	}
	a.src = []nn.Buffer{params.Grads, a.hyper}
	h := a.hyper.Host
	h[nn.HyperGradScale], h[nn.HyperDecay] = 1, 1
	return a, nil
}

func (a *adam) run() error {
	a.step++
	nn.DefaultAdam().SetHyper(a.hyper.Host, a.step)
	if err := nn.Push(a.device, a.hyper); err != nil {
		return err
	}
	return a.kernel.Run(a.dst, a.src)
}
