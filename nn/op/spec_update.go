package op

import "math"

// The optimizers' arithmetic runs on the device, over a range of the flat parameter memory.

// Hyper are the indices into the operand hyper of AdamUpdate and SGDUpdate, which may change from step to step.
const (
	HyperRate      = iota // learning rate; for Adam divided by 1 - beta1^t
	HyperGradScale        // the gradient is multiplied by it first (clipping, averaging)
	HyperL2               // then value*HyperL2 is added to the gradient (PyTorch's weight_decay of SGD and Adam)
	HyperDecay            // the value is multiplied by it before the update: 1 - rate*decay for AdamW, else 1
	HyperMomentum         // SGD: momentum; Adam: beta1
	HyperBeta2            // Adam
	HyperRoot             // Adam: 1/sqrt(1 - beta2^t)
	HyperEpsilon          // Adam: added to the root
	HyperLen              // number of them
)

// AdamUpdate: dst = {value [Len], mean [Len], square [Len]}, all updated in place, src = {grad [Len], hyper
// [HyperLen]}: mean = beta1 mean + (1-beta1) g; square = beta2 square + (1-beta2) g^2; value -= rate mean/(sqrt(square)
// root + eps).
type AdamUpdate struct{ Len int }

// Adam is what an AdamUpdate is done with, beside what scales the gradient and decays the values.
type Adam struct{ Rate, Beta1, Beta2, Epsilon float64 }

// DefaultAdam is PyTorch's.
func DefaultAdam() Adam { return Adam{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8} }

// SetHyper writes what an AdamUpdate's hyper has of a at step t, counted from 1, and leaves the rest: HyperGradScale,
// HyperL2 and HyperDecay.
func (a Adam) SetHyper(hyper []float32, t int) {
	// The kernel works with the rounded betas, and so must the correction of its bias.
	beta1, beta2 := float32(a.Beta1), float32(a.Beta2)
	hyper[HyperRate] = float32(a.Rate / (1 - math.Pow(float64(beta1), float64(t))))
	hyper[HyperRoot] = float32(1 / math.Sqrt(1-math.Pow(float64(beta2), float64(t))))
	hyper[HyperMomentum], hyper[HyperBeta2] = beta1, beta2
	hyper[HyperEpsilon] = float32(a.Epsilon)
}

// SGDUpdate: dst = {value [Len], velocity [Len]}, both updated in place, src = {grad [Len], hyper [HyperLen]}:
// velocity = momentum velocity + g; value -= rate velocity.
type SGDUpdate struct {
	Len int
	// Nesterov makes it value -= rate (g + momentum velocity).
	Nesterov bool
}

// SumOfSquares: dst = {sum [1]}, src = {x [Len]}. It sums in float64, or as exactly.
type SumOfSquares struct{ Len int }

func (AdamUpdate) Kind() string   { return "adam" }
func (SGDUpdate) Kind() string    { return "sgd" }
func (SumOfSquares) Kind() string { return "norm" }

func (s AdamUpdate) Operands() (dst, src []Operand) {
	return []Operand{updated(s.Len), updated(s.Len), updated(s.Len)}, []Operand{plain(s.Len), plain(HyperLen)}
}

func (s SGDUpdate) Operands() (dst, src []Operand) {
	return []Operand{updated(s.Len), updated(s.Len)}, []Operand{plain(s.Len), plain(HyperLen)}
}

func (s SumOfSquares) Operands() (dst, src []Operand) {
	return []Operand{plain(1)}, []Operand{plain(s.Len)}
}

// Validate checks the length.
func (s AdamUpdate) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s SGDUpdate) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s SumOfSquares) Validate() error { return validateLen(s.Len) }

func (s AdamUpdate) String() string   { return lenString(s.Len) }
func (s SGDUpdate) String() string    { return lenString(s.Len) }
func (s SumOfSquares) String() string { return lenString(s.Len) }
