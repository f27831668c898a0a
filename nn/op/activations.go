package op

import "fmt"

// Activations says which operands of a spec are activations, or gradients with respect to activations: an Accelerator
// may keep them as bfloat16. Parameters, their gradients, moments, losses and bytes it keeps as they are.
func Activations(spec Spec) (dst, src []bool) {
	switch spec.(type) {
	case ConvForward, LinearForward, AvgPoolForward, MaxPoolForward, BatchNormForward, BatchNormInference:
		return operandFlags(spec, "a", "a")
	case ConvBackwardData, LinearBackwardData, MaxPoolBackward, Dropout:
		return operandFlags(spec, "a", "a-a")
	case AvgPoolBackward, SigmoidForward, SigmoidBackward, ReLUForward, ReLUBackward, Add, ChannelCopy:
		return operandFlags(spec, "a", "aa")
	case ConvBackwardWeights, LinearBackwardWeights, BatchNormBackwardSums:
		return operandFlags(spec, "", "aa")
	case BatchNormMoments:
		return operandFlags(spec, "", "a")
	case BatchNormBackward:
		return operandFlags(spec, "a", "aa---a")
	case SoftmaxCrossEntropyForward:
		return operandFlags(spec, "-a", "a")
	case AdamUpdate, SGDUpdate, SumOfSquares:
		return operandFlags(spec, "", "")
	}
	panic(fmt.Sprintf("nn: %T is not a spec of this package", spec))
}

// operandFlags has a flag for each operand of a spec: whether its letter is an a.
func operandFlags(spec Spec, dst, src string) (dstFlags, srcFlags []bool) {
	flags := func(lens []int, letters string) []bool {
		f := make([]bool, len(lens))
		for i := range f {
			f[i] = i < len(letters) && letters[i] == 'a'
		}
		return f
	}
	d, s := Operands(spec)
	return flags(d, dst), flags(s, src)
}
