package op

import "fmt"

// Batch normalisation (Ioffe and Szegedy, 2015) comes in pieces, so that ranks may average the moments in between.
// n = N*H*W is the number of pixels that a channel's moments are taken over; BatchNormEpsilon and BatchNormMomentum are
// PyTorch's defaults.
const (
	// BatchNormEpsilon is added to a variance before its root is taken.
	BatchNormEpsilon = 1e-5
	// BatchNormMomentum is the weight of a new batch in the running moments.
	BatchNormMomentum = 0.1
)

// BatchNormMoments: dst = {moments [2, C]}, src = {x}: each channel's mean, then each channel's variance (divided by
// n).
type BatchNormMoments struct{ Image }

// BatchNormForward: dst = {y, running [2, C]}, src = {x, gamma [C], beta [C], moments [2, C]};
// y = gamma (x-mean)/sqrt(variance+eps) + beta. The running moments are updated in place:
// running += BatchNormMomentum (moments - running), with the variance times Count/(Count-1) (the unbiased one).
type BatchNormForward struct {
	Image
	// Count is the number of pixels that the moments were taken over, on all ranks that share them.
	Count int
	// ReLU makes it max(0, y).
	ReLU bool
}

// BatchNormInference: dst = {y}, src = {x, gamma [C], beta [C], running [2, C]}.
type BatchNormInference struct {
	Image
	// ReLU makes it max(0, y).
	ReLU bool
}

// BatchNormBackwardSums: dst = {dgamma [C], dbeta [C], means [2, C]}, src = {dy, x, moments [2, C]}; with
// u = (x-mean)/sqrt(variance+eps), dgamma = sum dy*u and dbeta = sum dy; means are dbeta/n, then dgamma/n.
type BatchNormBackwardSums struct{ Image }

// BatchNormBackward: dst = {dx}, src = {dy, x, gamma [C], moments [2, C], means [2, C]}, and mask where Mask is set;
// dx = gamma/sqrt(variance+eps) (dy - means[0] - u means[1]).
type BatchNormBackward struct {
	Image
	Gather
}

func (BatchNormMoments) Kind() string      { return "batchnorm.moments" }
func (BatchNormForward) Kind() string      { return "batchnorm" }
func (BatchNormInference) Kind() string    { return "batchnorm" }
func (BatchNormBackwardSums) Kind() string { return "batchnorm.dw" }
func (BatchNormBackward) Kind() string     { return "batchnorm.dx" }

func (s BatchNormMoments) Operands() (dst, src []Operand) {
	return []Operand{plain(2 * s.C)}, []Operand{activation(s.Len())}
}

func (s BatchNormForward) Operands() (dst, src []Operand) {
	return []Operand{inPlace(s.Len()), updated(2 * s.C)},
		[]Operand{activation(s.Len()), plain(s.C), plain(s.C), plain(2 * s.C)}
}

func (s BatchNormInference) Operands() (dst, src []Operand) {
	return []Operand{inPlace(s.Len())}, []Operand{activation(s.Len()), plain(s.C), plain(s.C), plain(2 * s.C)}
}

func (s BatchNormBackwardSums) Operands() (dst, src []Operand) {
	return []Operand{plain(s.C), plain(s.C), plain(2 * s.C)},
		[]Operand{activation(s.Len()), activation(s.Len()), plain(2 * s.C)}
}

func (s BatchNormBackward) Operands() (dst, src []Operand) {
	dst, src = s.gathered(s.Len(), activation(s.Len()), activation(s.Len()), plain(s.C), plain(2*s.C), plain(2*s.C))
	dst[0].InPlace = !s.Accumulate
	return dst, src
}

// Validate checks the shape.
func (s BatchNormMoments) Validate() error { return s.Image.validateDense("input") }

// Validate checks the shape and the count.
func (s BatchNormForward) Validate() error {
	if n := s.N * s.H * s.W; s.Count < n {
		return fmt.Errorf("%w: batch norm over %d pixels counts %d", ErrSpec, n, s.Count)
	}
	if s.Count < 2 {
		return fmt.Errorf("%w: batch norm over a single value of each channel has no variance: use a larger batch",
			ErrSpec)
	}
	return s.Image.validateDense("input")
}

// Validate checks the shape.
func (s BatchNormInference) Validate() error { return s.Image.validateDense("input") }

// Validate checks the shape.
func (s BatchNormBackwardSums) Validate() error { return s.Image.validateDense("input") }

// Validate checks the shape.
func (s BatchNormBackward) Validate() error { return s.Image.validateDense("input") }
