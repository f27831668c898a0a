package op

import "fmt"

// Kind is a short name of what a spec computes, such as "conv" or "conv.dw". Profiles are kept by it.
func Kind(spec Spec) string {
	switch spec.(type) {
	case ConvForward:
		return "conv"
	case ConvBackwardData:
		return "conv.dx"
	case ConvBackwardWeights:
		return "conv.dw"
	case LinearForward:
		return "linear"
	case LinearBackwardData:
		return "linear.dx"
	case LinearBackwardWeights:
		return "linear.dw"
	case AvgPoolForward:
		return "avgpool"
	case AvgPoolBackward:
		return "avgpool.dx"
	case MaxPoolForward:
		return "maxpool"
	case MaxPoolBackward:
		return "maxpool.dx"
	case SigmoidForward:
		return "sigmoid"
	case SigmoidBackward:
		return "sigmoid.dx"
	case ReLUForward:
		return "relu"
	case ReLUBackward:
		return "relu.dx"
	case Add:
		return "add"
	case Dropout:
		return "dropout"
	case ChannelCopy:
		return "copy"
	case BatchNormMoments:
		return "batchnorm.moments"
	case BatchNormForward, BatchNormInference:
		return "batchnorm"
	case BatchNormBackwardSums:
		return "batchnorm.dw"
	case BatchNormBackward:
		return "batchnorm.dx"
	case SoftmaxCrossEntropyForward:
		return "loss"
	case AdamUpdate:
		return "adam"
	case SGDUpdate:
		return "sgd"
	case SumOfSquares:
		return "norm"
	}
	panic(fmt.Sprintf("nn: %T is not a spec of this package", spec))
}

// Operands are the element counts of the operands that a kernel of this spec takes, in their order.
func Operands(spec Spec) (dst, src []int) {
	switch s := spec.(type) {
	case ConvForward:
		return []int{s.Dst.Span()}, s.withBias([]int{s.Src.Len(), s.WeightLen()})
	case ConvBackwardData:
		return []int{s.Src.Len()}, s.withMask([]int{s.Dst.Span(), s.WeightLen()}, s.Src.Len())
	case ConvBackwardWeights:
		return s.withBias([]int{s.WeightLen()}), []int{s.Dst.Span(), s.Src.Len()}
	case LinearForward:
		return []int{s.Src.N * s.Out}, []int{s.Src.Len(), s.Out * s.In(), s.Out}
	case LinearBackwardData:
		return []int{s.Src.Len()}, s.withMask([]int{s.Src.N * s.Out, s.Out * s.In()}, s.Src.Len())
	case LinearBackwardWeights:
		return []int{s.Out * s.In(), s.Out}, []int{s.Src.N * s.Out, s.Src.Len()}
	case AvgPoolForward:
		return []int{s.Dst.Len()}, []int{s.Src.Len()}
	case AvgPoolBackward:
		return []int{s.Src.Len()}, s.withMask([]int{s.Dst.Len()}, s.Src.Len())
	case MaxPoolForward:
		if s.Inference {
			return []int{s.Dst.Len()}, []int{s.Src.Len()}
		}
		return []int{s.Dst.Len(), s.WhereLen()}, []int{s.Src.Len()}
	case MaxPoolBackward:
		return []int{s.Src.Len()}, s.withMask([]int{s.Dst.Len(), s.WhereLen()}, s.Src.Len())
	case SigmoidForward:
		return []int{s.Len}, []int{s.Len}
	case SigmoidBackward:
		return []int{s.Len}, []int{s.Len, s.Len}
	case ReLUForward:
		return []int{s.Len}, []int{s.Len}
	case ReLUBackward:
		return []int{s.Len}, []int{s.Len, s.Len}
	case Add:
		return []int{s.Len}, []int{s.Len, s.Len}
	case Dropout:
		return []int{s.Len}, Gather{Mask: s.Mask}.withMask([]int{s.Len, 2}, s.Len)
	case ChannelCopy:
		return []int{s.Dst.Span()}, []int{s.Src.Span()}
	case BatchNormMoments:
		return []int{2 * s.C}, []int{s.Len()}
	case BatchNormForward:
		return []int{s.Len(), 2 * s.C}, []int{s.Len(), s.C, s.C, 2 * s.C}
	case BatchNormInference:
		return []int{s.Len()}, []int{s.Len(), s.C, s.C, 2 * s.C}
	case BatchNormBackwardSums:
		return []int{s.C, s.C, 2 * s.C}, []int{s.Len(), s.Len(), 2 * s.C}
	case BatchNormBackward:
		return []int{s.Len()}, s.withMask([]int{s.Len(), s.Len(), s.C, 2 * s.C, 2 * s.C}, s.Len())
	case SoftmaxCrossEntropyForward:
		return []int{2, s.N * s.C}, []int{s.N * s.C, s.N, 1}
	case AdamUpdate:
		return []int{s.Len, s.Len, s.Len}, []int{s.Len, HyperLen}
	case SGDUpdate:
		return []int{s.Len, s.Len}, []int{s.Len, HyperLen}
	case SumOfSquares:
		return []int{1}, []int{s.Len}
	}
	panic(fmt.Sprintf("nn: %T is not a spec of this package", spec))
}

func (c Conv) withBias(lens []int) []int {
	if c.NoBias {
		return lens
	}
	return append(lens, c.Dst.C)
}

func (g Gather) withMask(lens []int, n int) []int {
	if g.Mask {
		return append(lens, n)
	}
	return lens
}

// InPlace reports whether dst[0] may be the same memory as src[0]: each element of dst[0] depends on that element of
// src[0], and on no other.
func InPlace(spec Spec) bool {
	switch spec.(type) {
	case SigmoidForward, SigmoidBackward, ReLUForward, ReLUBackward, Add, Dropout,
		BatchNormForward, BatchNormInference, BatchNormBackward:
		return true
	}
	return false
}

// Updates reports whether dst[i] is read before it is written: its contents before the run matter.
func Updates(spec Spec, i int) bool {
	switch s := spec.(type) {
	case ConvBackwardData:
		return s.Accumulate
	case LinearBackwardData:
		return s.Accumulate
	case AvgPoolBackward:
		return s.Accumulate
	case MaxPoolBackward:
		return s.Accumulate
	case BatchNormBackward:
		return s.Accumulate
	case BatchNormForward:
		return i == 1
	case AdamUpdate, SGDUpdate:
		return true
	}
	return false
}

// FLOPs is the arithmetic of one run of an operation: a multiply and the add that follows it count as 2. Only
// convolutions and linear layers count, as is the custom; padding counts as if it were data.
func FLOPs(spec Spec) int64 {
	switch s := spec.(type) {
	case ConvForward:
		return s.Conv.flops()
	case ConvBackwardData:
		return s.Conv.flops()
	case ConvBackwardWeights:
		return s.Conv.flops()
	case LinearForward:
		return s.Linear.flops()
	case LinearBackwardData:
		return s.Linear.flops()
	case LinearBackwardWeights:
		return s.Linear.flops()
	}
	return 0
}
