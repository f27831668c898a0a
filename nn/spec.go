package nn

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
	case SigmoidForward:
		return "sigmoid"
	case SigmoidBackward:
		return "sigmoid.dx"
	case SoftmaxCrossEntropyForward:
		return "loss"
	}
	panic(fmt.Sprintf("nn: %T is not a spec of this package", spec))
}

// Operands are the element counts of the operands that a kernel of this spec takes, in their order.
func Operands(spec Spec) (dst, src []int) {
	switch s := spec.(type) {
	case ConvForward:
		return []int{s.Dst.Len()}, []int{s.Src.Len(), s.WeightLen(), s.Dst.C}
	case ConvBackwardData:
		return []int{s.Src.Len()}, []int{s.Dst.Len(), s.WeightLen()}
	case ConvBackwardWeights:
		return []int{s.WeightLen(), s.Dst.C}, []int{s.Dst.Len(), s.Src.Len()}
	case LinearForward:
		return []int{s.Src.N * s.Out}, []int{s.Src.Len(), s.Out * s.In(), s.Out}
	case LinearBackwardData:
		return []int{s.Src.Len()}, []int{s.Src.N * s.Out, s.Out * s.In()}
	case LinearBackwardWeights:
		return []int{s.Out * s.In(), s.Out}, []int{s.Src.N * s.Out, s.Src.Len()}
	case AvgPoolForward:
		return []int{s.Dst.Len()}, []int{s.Src.Len()}
	case AvgPoolBackward:
		return []int{s.Src.Len()}, []int{s.Dst.Len()}
	case SigmoidForward:
		return []int{s.Len}, []int{s.Len}
	case SigmoidBackward:
		return []int{s.Len}, []int{s.Len, s.Len}
	case SoftmaxCrossEntropyForward:
		return []int{2, s.N * s.C}, []int{s.N * s.C, s.N, 1}
	}
	panic(fmt.Sprintf("nn: %T is not a spec of this package", spec))
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

func (c Conv) flops() int64 {
	return 2 * int64(c.Dst.Len()) * int64(c.Src.C*c.KernelH*c.KernelW)
}

func (l Linear) flops() int64 { return 2 * int64(l.Src.N) * int64(l.Out) * int64(l.In()) }
