package stepbench

import (
	"fmt"
	"math"

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

const (
	adamRate, adamBeta1, adamBeta2, adamEpsilon = 1e-3, 0.9, 0.999, 1e-8
)

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
	h[nn.HyperMomentum], h[nn.HyperBeta2], h[nn.HyperEpsilon] = adamBeta1, adamBeta2, adamEpsilon
	return a, nil
}

func (a *adam) run() error {
	a.step++
	h := a.hyper.Host
	h[nn.HyperRate] = float32(adamRate / (1 - math.Pow(adamBeta1, float64(a.step))))
	h[nn.HyperRoot] = float32(1 / math.Sqrt(1-math.Pow(adamBeta2, float64(a.step))))
	if err := nn.Push(a.device, a.hyper); err != nil {
		return err
	}
	return a.kernel.Run(a.dst, a.src)
}
