package optim

import (
	"math"
	"testing"

	"ringloom/nn"
	"ringloom/nn/purego"
)

// reference is a method of torch.optim in float64 on one element: the algorithms of PyTorch's manual, line by line.
type reference func(c Config, rate float64, t int, value, g float64, state *[2]float64) float64

var references = map[string]reference{
	"adam": func(c Config, rate float64, t int, value, g float64, state *[2]float64) float64 {
		g += c.WeightDecay * value
		return value - rate*adamDirection(c, t, g, state)
	},
	"adamw": func(c Config, rate float64, t int, value, g float64, state *[2]float64) float64 {
		value -= rate * c.WeightDecay * value
		return value - rate*adamDirection(c, t, g, state)
	},
	"sgd": func(c Config, rate float64, t int, value, g float64, state *[2]float64) float64 {
		g += c.WeightDecay * value
		if t == 1 {
			state[0] = g
		} else {
			state[0] = c.Momentum*state[0] + g
		}
		if c.Nesterov {
			g += c.Momentum * state[0]
		} else {
			g = state[0]
		}
		return value - rate*g
	},
}

func adamDirection(c Config, t int, g float64, state *[2]float64) float64 {
	state[0] = c.Beta1*state[0] + (1-c.Beta1)*g
	state[1] = c.Beta2*state[1] + (1-c.Beta2)*g*g
	mean := state[0] / (1 - math.Pow(c.Beta1, float64(t)))
	square := state[1] / (1 - math.Pow(c.Beta2, float64(t)))
	return mean / (math.Sqrt(square) + c.Epsilon)
}

func TestOptimizersFollowTheirDefinition(t *testing.T) {
	grads := [][]float64{{0.5, -2, 0}, {0.25, 1, 0}, {-1, 3, 1e-4}, {0.1, -0.2, 0.3}}
	for _, change := range []func(*Config){
		func(c *Config) {},
		func(c *Config) { c.WeightDecay = 0.1 },
		func(c *Config) { c.Beta1, c.Beta2, c.Epsilon, c.Momentum = 0.8, 0.95, 1e-3, 0.5 },
		func(c *Config) {
			if c.Method == "sgd" {
				c.Nesterov, c.WeightDecay = true, 0.01
			}
		},
	} {
		for name, step := range references {
			const rate = 0.01
			cfg := Config{Method: name, Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
			change(&cfg)
			device := purego.New()
			defer device.Close()
			params := &nn.Params{List: []nn.Param{{Len: 2}, {Offset: 2, Len: 1}}}
			params.Values, _ = device.Alloc(3)
			params.Grads, _ = device.Alloc(3)
			copy(params.Values.Host, []float32{1, -1, 0.5})
			opt, err := New(cfg, device, params, OwnAll([]Span{{2, 3}, {0, 2}}))
			if err != nil {
				t.Fatal(err)
			}
			want := []float64{1, -1, 0.5}
			var state [3][2]float64
			for steps, g := range grads {
				const scale = 0.5 // as clipping does
				if err := opt.Begin(steps, rate, scale); err != nil {
					t.Fatal(err)
				}
				for i, v := range g {
					params.Grads.Host[i] = float32(v)
					want[i] = step(cfg, rate, steps+1, want[i], scale*v, &state[i])
				}
				for b := range 2 {
					if err := opt.Update(b); err != nil {
						t.Fatal(err)
					}
				}
				for i, w := range want {
					if got := float64(params.Values.Host[i]); math.Abs(got-w) > 1e-6 {
						t.Errorf("%s %+v, step %d element %d: got %g, want %g", name, cfg, steps+1, i, got, w)
					}
				}
			}
		}
	}
}
