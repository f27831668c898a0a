package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// optimizers compares several steps of each update with the formulas of PyTorch's documentation (torch.optim.Adam,
// AdamW, SGD), element by element in float64.
func optimizers(t *testing.T, d op.Device) {
	const n, steps, rate, beta1, beta2, epsilon, decay = 1001, 5, 1e-2, 0.9, 0.99, 1e-8, 0.1
	// scalar is one element's optimizer; t counts from 1.
	type scalar struct{ value, mean, square float64 }
	adam := func(l2, decoupled float64) func(s *scalar, g float64, t int) {
		return func(s *scalar, g float64, t int) {
			g += l2 * s.value
			s.value -= rate * decoupled * s.value
			s.mean = beta1*s.mean + (1-beta1)*g
			s.square = beta2*s.square + (1-beta2)*g*g
			unbiased := math.Sqrt(s.square / (1 - math.Pow(beta2, float64(t))))
			s.value -= rate * s.mean / (1 - math.Pow(beta1, float64(t))) / (unbiased + epsilon)
		}
	}
	sgd := func(momentum, l2 float64, nesterov bool) func(s *scalar, g float64, t int) {
		return func(s *scalar, g float64, t int) {
			g += l2 * s.value
			s.mean = momentum*s.mean + g
			if nesterov {
				g += momentum * s.mean
			} else {
				g = s.mean
			}
			s.value -= rate * g
		}
	}
	for _, c := range []struct {
		name                               string
		spec                               op.Spec
		gradScale, l2, decoupled, momentum float64
		step                               func(s *scalar, g float64, t int)
	}{
		{"adam", op.AdamUpdate{Len: n}, 1, 0, 0, 0, adam(0, 0)},
		{"adam with weight decay and scaled gradients", op.AdamUpdate{Len: n}, 0.25, decay, 0, 0, adam(decay, 0)},
		{"adamw", op.AdamUpdate{Len: n}, 1, 0, decay, 0, adam(0, decay)},
		{"sgd", op.SGDUpdate{Len: n}, 1, 0, 0, 0, sgd(0, 0, false)},
		{"sgd with momentum, weight decay and scaled gradients", op.SGDUpdate{Len: n}, 3, decay, 0, 0.8, sgd(0.8, decay, false)},
		{"nesterov", op.SGDUpdate{Len: n, Nesterov: true}, 1, decay, 0, 0.8, sgd(0.8, decay, true)},
	} {
		sub(t, c.name, func(t *testing.T) {
			b := bench{t, d}
			lens, _ := op.Lens(c.spec)
			value, k := b.buffer(n, 1), b.compile(c.spec)
			dst := []op.Buffer{value}
			for range lens[1:] {
				dst = append(dst, b.zeros(n))
			}
			scalars := make([]scalar, n)
			for i, v := range value.Host {
				scalars[i].value = float64(v)
			}
			hyper := b.zeros(op.HyperLen)
			_, isAdam := c.spec.(op.AdamUpdate)
			for step := 1; step <= steps; step++ {
				h := hyper.Host
				h[op.HyperRate], h[op.HyperGradScale], h[op.HyperL2] = rate, float32(c.gradScale), float32(c.l2)
				h[op.HyperDecay], h[op.HyperMomentum] = float32(1-rate*c.decoupled), float32(c.momentum)
				if isAdam {
					op.Adam{Rate: rate, Beta1: beta1, Beta2: beta2, Epsilon: epsilon}.SetHyper(h, step)
				}
				grad := b.buffer(n, uint64(10+step))
				b.run(k, dst, []op.Buffer{grad, hyper})
				for i := range scalars {
					c.step(&scalars[i], c.gradScale*float64(grad.Host[i]), step)
				}
			}
			want := make([]float64, n)
			for i, s := range scalars {
				want[i] = s.value
			}
			nearly(t, "value", value.Host, want...)
		})
	}

	sub(t, "sum of squares", func(t *testing.T) {
		// In float32 the sum would stop growing at 2^24.
		const n = 1<<24 + 1<<22
		b := bench{t, d}
		x := b.zeros(n)
		for i := range x.Host {
			x.Host[i] = 1
		}
		nearly(t, "sum", b.compute(op.SumOfSquares{Len: n}, x)[0].Host, n)
	})
}
