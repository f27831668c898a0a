package nn

import "math"

// Init fills the values with PyTorch's default distribution for Conv2d and Linear layers, uniform in ±1/sqrt(fan in)
// for weights and biases alike; batch norm's weights are 1 and its biases 0, and its running moments are reset. The numbers depend on the seed, the parameter's place in the list and the element
// alone: every device and every rank gets the same bits.
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
		stream := splitmix64(splitmix64(seed) + uint64(i))
		for j := range p.Value(i).Host {
			const bits = 24 // what a float32 can hold
			u := float64(splitmix64(stream+uint64(j))>>(64-bits))/(1<<(bits-1)) - 1
			p.Value(i).Host[j] = float32(bound * u)
		}
	}
	return p.Push()
}

// splitmix64 is the generator of Steele, Lea and Flood ("Fast splittable pseudorandom number generators", 2014) as a
// function of its counter: neighbouring counters give unrelated numbers.
func splitmix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
