package op

// Operand is what a kernel is told of one of its operands.
type Operand struct {
	// Len is the number of float32 elements, gaps counted.
	Len int
	// Activation says that it holds activations, or a gradient with respect to them: an Accelerator may keep it as
	// bfloat16. Parameters, their gradients, moments, losses and bytes stay as they are.
	Activation bool
	// Updated, in dst, says that it is read before it is written: its contents before the run matter.
	Updated bool
	// InPlace, in dst[0], says that it may be the same memory as src[0]: each element depends on that element of
	// src[0], and on no other.
	InPlace bool
}

func activation(n int) Operand { return Operand{Len: n, Activation: true} }

// plain is an operand that stays float32: parameters and their gradients, moments, labels and other small inputs.
func plain(n int) Operand { return Operand{Len: n} }

func updated(n int) Operand { return Operand{Len: n, Updated: true} }

// inPlace is an activation that may lie where the first source does.
func inPlace(n int) Operand { return Operand{Len: n, Activation: true, InPlace: true} }

// Lens are the element counts of a spec's operands.
func Lens(spec Spec) (dst, src []int) {
	d, s := spec.Operands()
	return lens(d), lens(s)
}

func lens(operands []Operand) []int {
	n := make([]int, len(operands))
	for i, o := range operands {
		n[i] = o.Len
	}
	return n
}

// FLOPs is the arithmetic of one run of an operation: a multiply and the add that follows it count as 2. Only
// convolutions and linear layers count, as is the custom; padding counts as if it were data.
func FLOPs(spec Spec) int64 {
	if s, ok := spec.(interface{ flops() int64 }); ok {
		return s.flops()
	}
	return 0
}
