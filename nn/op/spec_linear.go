package op

import "errors"

// Linear is y = x w^T + b. x is an Image whose H, W, C are flattened in the order C, H, W (as PyTorch flattens NCHW)
// to index the columns of w [Out, Src.C*Src.H*Src.W]; the bias is [Out]; y is [Src.N, Out].
type Linear struct {
	Src Image
	Out int
}

// LinearForward: dst = {y [N, Out]}, src = {x Src, w, b}.
type LinearForward struct {
	Linear
	// ReLU makes it y = max(0, x w^T + b).
	ReLU bool
}

// LinearBackwardData: dst = {dx Src}, src = {dy [N, Out], w}, and mask [Src] where Mask is set.
type LinearBackwardData struct {
	Linear
	Gather
}

// LinearBackwardWeights: dst = {dw, db}, src = {dy [N, Out], x Src}.
type LinearBackwardWeights struct{ Linear }

func (LinearForward) Kind() string         { return "linear" }
func (LinearBackwardData) Kind() string    { return "linear.dx" }
func (LinearBackwardWeights) Kind() string { return "linear.dw" }

func (s LinearForward) Operands() (dst, src []Operand) {
	return []Operand{activation(s.Src.N * s.Out)},
		[]Operand{activation(s.Src.Len()), plain(s.Out * s.In()), plain(s.Out)}
}

func (s LinearBackwardData) Operands() (dst, src []Operand) {
	return s.gathered(s.Src.Len(), activation(s.Src.N*s.Out), plain(s.Out*s.In()))
}

func (s LinearBackwardWeights) Operands() (dst, src []Operand) {
	return []Operand{plain(s.Out * s.In()), plain(s.Out)},
		[]Operand{activation(s.Src.N * s.Out), activation(s.Src.Len())}
}

// Validate checks the input's shape and the number of outputs.
func (l Linear) Validate() error {
	if err := l.Src.validateDense("input"); err != nil {
		return err
	}
	return errors.Join(
		Image{N: l.Src.N, H: 1, W: 1, C: l.Out}.Validate("output"),
		Image{N: l.Out, H: l.Src.H, W: l.Src.W, C: l.Src.C}.Validate("weights"))
}

func (l Linear) String() string { return l.Src.String() + " -> " + l.Dst().String() }

// In is the number of inputs of one sample, Src.C*Src.H*Src.W.
func (l Linear) In() int { return l.Src.C * l.Src.H * l.Src.W }

func (l Linear) Dst() Image { return Image{N: l.Src.N, H: 1, W: 1, C: l.Out} }

func (l Linear) flops() int64 { return 2 * int64(l.Src.N) * int64(l.Out) * int64(l.In()) }
