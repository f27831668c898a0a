package op

import "fmt"

// SigmoidForward: dst = {y [Len]}, src = {x [Len]}; y = 1/(1+exp(-x)).
type SigmoidForward struct{ Len int }

// SigmoidBackward: dst = {dx [Len]}, src = {dy [Len], y [Len]}; dx = dy*y*(1-y).
type SigmoidBackward struct{ Len int }

// ReLUForward: dst = {y [Len]}, src = {x [Len]}; y = max(0, x).
type ReLUForward struct{ Len int }

// ReLUBackward: dst = {dx [Len]}, src = {dy [Len], y [Len]}; dx = dy where y > 0, else 0.
type ReLUBackward struct{ Len int }

// Add: dst = {y [Len]}, src = {a [Len], b [Len]}; y = a + b.
type Add struct {
	Len int
	// ReLU makes it y = max(0, a + b).
	ReLU bool
}

// Dropout: dst = {y [Len]}, src = {x [Len], key [2]}, and mask [Len] where Mask is set. Element i of y is x/(1-Rate)
// where it is kept and 0 where not, by the function DropoutKeeps, so that every device drops the same elements. It is
// its own gradient: the backward pass runs it on dy with the same key.
type Dropout struct {
	Len  int
	Rate float32 // probability of dropping an element, 0 <= Rate < 1
	// Layer tells apart the dropout layers of a model, which share a key.
	Layer uint32
	// Mask is that of Gather.
	Mask bool
}

// ChannelCopy: dst = {y Dst}, src = {x Src}: the same N, H, W and C, each with its own pitch.
type ChannelCopy struct{ Src, Dst Image }

func (SigmoidForward) Kind() string  { return "sigmoid" }
func (SigmoidBackward) Kind() string { return "sigmoid.dx" }
func (ReLUForward) Kind() string     { return "relu" }
func (ReLUBackward) Kind() string    { return "relu.dx" }
func (Add) Kind() string             { return "add" }
func (Dropout) Kind() string         { return "dropout" }
func (ChannelCopy) Kind() string     { return "copy" }

func (s SigmoidForward) Operands() (dst, src []Operand)  { return elementwise(s.Len, 1) }
func (s SigmoidBackward) Operands() (dst, src []Operand) { return elementwise(s.Len, 2) }
func (s ReLUForward) Operands() (dst, src []Operand)     { return elementwise(s.Len, 1) }
func (s ReLUBackward) Operands() (dst, src []Operand)    { return elementwise(s.Len, 2) }
func (s Add) Operands() (dst, src []Operand)             { return elementwise(s.Len, 2) }

// elementwise are the operands of a function of so many sources, all of n elements.
func elementwise(n, sources int) (dst, src []Operand) {
	for range sources {
		src = append(src, activation(n))
	}
	return []Operand{inPlace(n)}, src
}

func (s Dropout) Operands() (dst, src []Operand) {
	return []Operand{inPlace(s.Len)}, withMask(s.Mask, s.Len, []Operand{activation(s.Len), plain(2)})
}

func (s ChannelCopy) Operands() (dst, src []Operand) {
	return []Operand{activation(s.Dst.Span())}, []Operand{activation(s.Src.Span())}
}

// DropoutKeeps reports whether dropout with the given rate keeps element i. key are the bits of the two elements of the
// operand key. The mixing is that of lowbias32 (C. Wellons, "Prospecting for hash functions", 2018), once over the
// index and once over the layer.
func DropoutKeeps(rate float32, layer uint32, key [2]uint32, i int) bool {
	x := mix32(uint32(i) ^ key[0])
	x = mix32(x + key[1] + layer*0x9E3779B9)
	return x >= DropoutThreshold(rate)
}

// DropoutThreshold is rate as a fraction of 2^32: what DropoutKeeps compares with.
func DropoutThreshold(rate float32) uint32 { return uint32(float64(rate) * (1 << 32)) }

func mix32(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	return x ^ x>>16
}

func validateLen(n int) error {
	if n < 1 || n > maxElements {
		return fmt.Errorf("%w: %d elements, not 1 to %d", ErrSpec, n, maxElements)
	}
	return nil
}

func lenString(n int) string { return fmt.Sprintf("%d elements", n) }

// Validate checks the length.
func (s SigmoidForward) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s SigmoidBackward) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s ReLUForward) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s ReLUBackward) Validate() error { return validateLen(s.Len) }

// Validate checks the length.
func (s Add) Validate() error { return validateLen(s.Len) }

// Validate checks the length and the rate.
func (s Dropout) Validate() error {
	if !(s.Rate >= 0 && s.Rate < 1) {
		return fmt.Errorf("%w: dropout rate %v, not from 0 up to, not including, 1", ErrSpec, s.Rate)
	}
	return validateLen(s.Len)
}

// Validate checks that the shapes agree.
func (s ChannelCopy) Validate() error {
	a, b := s.Src, s.Dst
	a.Pitch, b.Pitch = 0, 0
	if a != b {
		return fmt.Errorf("%w: a copy from %v to %v", ErrSpec, s.Src, s.Dst)
	}
	if err := s.Src.Validate("source"); err != nil {
		return err
	}
	return s.Dst.Validate("destination")
}

func (s SigmoidForward) String() string  { return lenString(s.Len) }
func (s SigmoidBackward) String() string { return lenString(s.Len) }
func (s ReLUForward) String() string     { return lenString(s.Len) }
func (s ReLUBackward) String() string    { return lenString(s.Len) }
func (s Add) String() string             { return lenString(s.Len) }
func (s Dropout) String() string         { return fmt.Sprintf("%d elements, rate %v", s.Len, s.Rate) }
func (s ChannelCopy) String() string     { return s.Src.String() + " -> " + s.Dst.String() }
