package nn

import (
	"math"

	"ringloom/internal/splitmix"
)

// Init fills the values with PyTorch's default distribution for Conv2d and Linear layers, uniform in ±1/sqrt(fan in)
// for weights and biases alike; batch norm's weights are 1 and its biases 0, and its running moments are reset. The
// numbers depend on the seed, the parameter's place in the list and the element alone: every device and every rank gets
// the same bits.
func (p *Params) Init(seed uint64) error {
	p.resetState()
	for i, param := range p.List {
		if param.Layer == "BatchNorm2d" {
			for j := range p.Value(i).Host {
				p.Value(i).Host[j] = 0
				if param.Kind == "weight" {
					p.Value(i).Host[j] = 1
				}
			}
			continue
		}
		bound := 1 / math.Sqrt(float64(param.FanIn))
		stream := splitmix.Mix(splitmix.Mix(seed) + uint64(i))
		for j := range p.Value(i).Host {
			p.Value(i).Host[j] = float32(bound * splitmix.Unit(stream+uint64(j)))
		}
	}
	return p.Push()
}
