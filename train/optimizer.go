package train

import (
	"fmt"
	"math"
	"strings"
)

// Optimizer updates a range of the flat parameter memory in place. Update(lo, hi) may be called once a step for each
// of a set of ranges that cover the parameters without overlap; Advance begins the next step.
type Optimizer interface {
	Advance()
	Update(values, grads []float32, lo, hi int)
}

// Optimizers lists the names that NewOptimizer takes.
func Optimizers() []string { return []string{"adam", "sgd"} }

// NewOptimizer makes the optimizer called name for n parameters. momentum is for sgd alone.
func NewOptimizer(name string, n int, learningRate, momentum float64) (Optimizer, error) {
	switch name {
	case "adam":
		return &Adam{
			LearningRate: learningRate, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
			mean: make([]float32, n), square: make([]float32, n),
		}, nil
	case "sgd":
		return &SGD{LearningRate: learningRate, Momentum: momentum, velocity: make([]float32, n)}, nil
	}
	return nil, fmt.Errorf("unknown optimizer %q: choose one of %s", name, strings.Join(Optimizers(), ", "))
}

// Adam is the method of Kingma and Ba (arXiv:1412.6980, algorithm 1) with PyTorch's placing of epsilon: outside the
// bias-corrected square root.
type Adam struct {
	LearningRate, Beta1, Beta2, Epsilon float64

	step         int
	mean, square []float32
}

// Advance begins the next step.
func (a *Adam) Advance() { a.step++ }

// Update applies one step to elements [lo, hi).
func (a *Adam) Update(values, grads []float32, lo, hi int) {
	correction1 := 1 - math.Pow(a.Beta1, float64(a.step))
	correction2 := math.Sqrt(1 - math.Pow(a.Beta2, float64(a.step)))
	stepSize := float32(a.LearningRate / correction1)
	inverse := float32(1 / correction2)
	epsilon := float32(a.Epsilon)
	keep1, take1 := float32(a.Beta1), float32(1-a.Beta1)
	keep2, take2 := float32(a.Beta2), float32(1-a.Beta2)

	values, grads = values[lo:hi], grads[lo:hi]
	mean, square := a.mean[lo:hi], a.square[lo:hi]
	for i, g := range grads[:len(values)] {
		m := keep1*mean[i] + take1*g
		s := keep2*square[i] + take2*g*g
		mean[i], square[i] = m, s
		values[i] -= stepSize * m / (sqrt(s)*inverse + epsilon)
	}
}

// sqrt compiles to one instruction.
func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// SGD is stochastic gradient descent with PyTorch's momentum: v = momentum v + g; value -= learning rate * v.
type SGD struct {
	LearningRate, Momentum float64

	velocity []float32
}

// Advance begins the next step.
func (s *SGD) Advance() {}

// Update applies one step to elements [lo, hi).
func (s *SGD) Update(values, grads []float32, lo, hi int) {
	rate, momentum := float32(s.LearningRate), float32(s.Momentum)
	values, grads = values[lo:hi], grads[lo:hi]
	velocity := s.velocity[lo:hi]
	for i, g := range grads[:len(values)] {
		v := momentum*velocity[i] + g
		velocity[i] = v
		values[i] -= rate * v
	}
}
