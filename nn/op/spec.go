package op

// Spec describes one operation at fixed shapes. The set is closed: the types of the files spec_*.go. Specs are
// comparable: equal specs make equal kernels.
type Spec interface {
	// Validate returns an error that wraps ErrSpec where the shapes do not fit together.
	Validate() error
	// Kind is a short name of what it computes, such as "conv" or "conv.dw".
	Kind() string
	// String is the geometry in a few words, such as "8x28x28x1 -> 8x28x28x6, kernel 5x5, stride 1x1, padding 2x2".
	String() string
	// Operands are those that a kernel takes, in their order.
	Operands() (dst, src []Operand)
}
