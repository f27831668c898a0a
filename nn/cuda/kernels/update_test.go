//go:build gpu && cgo

package kernels_test

import (
	"math"
	"testing"
)

// Hyperparameters, in the order of update.cu.
var hyper = struct{ rate, gradScale, l2, decay, momentum, beta2, root, epsilon float64 }{0.01, 0.25, 0.1, 0.99, 0.9, 0.98, 3, 1e-3}

func TestUpdates(t *testing.T) {
	m := open(t)
	for _, g := range grids {
		for _, n := range []int{1, 37, 1001, 4096} {
			for _, shift := range []int{0, 1} {
				m.begin("%d elements, shift %d, grid %v", n, shift, g)
				value, grad := m.symmetric(f32, n, shift), m.symmetric(f32, n, 0)
				hypers := m.of(f32, 0, []float64{
					hyper.rate, hyper.gradScale, hyper.l2, hyper.decay, hyper.momentum, hyper.beta2, hyper.root, hyper.epsilon,
				})
				checkAdam(m, g, value.copy(), grad, hypers)
				for _, nesterov := range []bool{false, true} {
					checkSGD(m, g, value.copy(), grad, hypers, nesterov)
				}
			}
		}
	}
}

func checkAdam(m *machine, g shape, value, grad, hypers *operand) {
	n := len(value.v)
	mean, square := m.symmetric(f32, n, 0), m.uniformOf(f32, n, 0, 1.5, 1)
	w, mu, s := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		d := grad.v[i]*hyper.gradScale + value.v[i]*hyper.l2
		mu[i] = hyper.momentum*mean.v[i] + (1-hyper.momentum)*d
		s[i] = hyper.beta2*square.v[i] + (1-hyper.beta2)*d*d
		w[i] = value.v[i]*hyper.decay - hyper.rate*mu[i]/(math.Sqrt(s[i])*hyper.root+hyper.epsilon)
	}
	m.launch(g, "adam", value, mean, square, grad, hypers, n)
	m.compare("adam's value", value, w)
	m.compare("adam's mean", mean, mu)
	m.compare("adam's square", square, s)
}

func checkSGD(m *machine, g shape, value, grad, hypers *operand, nesterov bool) {
	n := len(value.v)
	velocity := m.symmetric(f32, n, 0)
	w, v := make([]float64, n), make([]float64, n)
	for i := range n {
		d := grad.v[i]*hyper.gradScale + value.v[i]*hyper.l2
		v[i] = hyper.momentum*velocity.v[i] + d
		step := v[i]
		if nesterov {
			step = d + hyper.momentum*v[i]
		}
		w[i] = value.v[i]*hyper.decay - hyper.rate*step
	}
	m.launch(g, "sgd", value, velocity, grad, hypers, n, nesterov)
	m.compare("sgd's value", value, w)
	m.compare("sgd's velocity", velocity, v)
}

func TestSumOfSquares(t *testing.T) {
	m := open(t)
	for _, g := range grids {
		for _, n := range []int{1, 37, 1001, 4096} {
			for _, shift := range []int{0, 1} {
				m.begin("%d elements, shift %d, grid %v", n, shift, g)
				x, partial, sum := m.symmetric(f32, n, shift), m.empty(f64, g.x, 0), m.empty(f32, 1, 0)
				want := 0.0
				for _, v := range x.v {
					want += v * v
				}
				m.launch(g, "sum_of_squares", partial, x, n)
				m.launch(shape{1, 1, g.threads}, "sum_of_squares_finish", sum, partial, g.x)
				partial.read("partial")
				m.compareWithin("sum_of_squares", sum, []float64{want}, 1e-7, 1)
			}
		}
	}
}
