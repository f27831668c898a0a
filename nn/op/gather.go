package op

// Gather says how a gradient with respect to activations reaches its destination. It saves a pass over memory for
// each summation over branches and for each ReLU.
type Gather struct {
	// Accumulate adds to dst[0] instead of overwriting it.
	Accumulate bool
	// Mask appends an operand to src, shaped as dst[0]: where it is not positive, dst[0] becomes 0, what was there
	// before included. With a ReLU's result as the mask this is that ReLU's gradient.
	Mask bool
}

// gathered are the operands of a gradient with respect to n activations that is made of src.
func (g Gather) gathered(n int, src ...Operand) (dst, all []Operand) {
	return []Operand{{Len: n, Activation: true, Updated: g.Accumulate}}, withMask(g.Mask, n, src)
}

func withMask(mask bool, n int, src []Operand) []Operand {
	if mask {
		return append(src, activation(n))
	}
	return src
}
