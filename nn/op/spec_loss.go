package op

import "fmt"

// SoftmaxCrossEntropyForward is the loss over a batch of N samples and C classes.
// dst = {stats [2], dlogits [N, C]}, src = {logits [N, C], labels [N] (class numbers as floats), scale [1]}.
// stats[0] = scale * sum over samples and classes of -target log softmax(logits); stats[1] = number of samples whose
// largest logit (the first of equals) is the label's. dlogits = scale * (softmax(logits) - target): it is kept for
// the backward pass. target is (1-Smoothing) onehot(label) + Smoothing/C. scale is 1/N for a mean over the batch,
// 1/(global batch) where several ranks share one.
type SoftmaxCrossEntropyForward struct {
	N, C      int
	Smoothing float32 // 0 <= Smoothing < 1
}

func (SoftmaxCrossEntropyForward) Kind() string { return "loss" }

func (s SoftmaxCrossEntropyForward) Operands() (dst, src []Operand) {
	logits := activation(s.N * s.C)
	return []Operand{plain(2), logits}, []Operand{logits, plain(s.N), plain(1)}
}

// Validate checks the batch, the number of classes and the smoothing.
func (s SoftmaxCrossEntropyForward) Validate() error {
	if !(s.Smoothing >= 0 && s.Smoothing < 1) {
		return fmt.Errorf("%w: label smoothing %v, not from 0 up to, not including, 1", ErrSpec, s.Smoothing)
	}
	return Image{N: s.N, H: 1, W: 1, C: s.C}.Validate("logits")
}

func (s SoftmaxCrossEntropyForward) String() string {
	return fmt.Sprintf("%d samples, %d classes", s.N, s.C)
}
