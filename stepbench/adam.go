package stepbench

import (
	"fmt"
	"math"

	"ringloom/nn"
)

// adam is the update over all parameters at once, with PyTorch's constants.
type adam struct {
	kernel   nn.Kernel
	dst, src []nn.Buffer
	hyper    []float32
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
	a := &adam{kernel: kernel, dst: []nn.Buffer{params.Values}}
	for range 2 {
		moment, err := device.Alloc(params.Len())
		if err != nil {
			return nil, fmt.Errorf("allocating Adam's moments: %w", err)
		}
		a.dst = append(a.dst, moment)
	}
	hyper, err := device.Alloc(nn.HyperLen)
	if err != nil {
		return nil, err
	}
	a.src, a.hyper = []nn.Buffer{params.Grads, hyper}, hyper.Host
	a.hyper[nn.HyperGradScale], a.hyper[nn.HyperDecay] = 1, 1
	a.hyper[nn.HyperMomentum], a.hyper[nn.HyperBeta2], a.hyper[nn.HyperEpsilon] = adamBeta1, adamBeta2, adamEpsilon
	return a, nil
}

func (a *adam) run() error {
	a.step++
	a.hyper[nn.HyperRate] = float32(adamRate / (1 - math.Pow(adamBeta1, float64(a.step))))
	a.hyper[nn.HyperRoot] = float32(1 / math.Sqrt(1-math.Pow(adamBeta2, float64(a.step))))
	return a.kernel.Run(a.dst, a.src)
}
