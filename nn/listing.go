package nn

import "ringloom/nn/op"

// Listing is a step of a model, written down for whoever runs it: operations in the order of execution, over values
// that say where they live. It knows neither Gorgonia nor a device. Nothing is fused in it: a concatenation is copies,
// a sum over branches is additions.
type Listing struct {
	Instructions []*Instruction
	// Logits are the network's results [Batch, Classes]; Loss is where the loss and the number of correct samples go.
	Logits, Loss *Value
	// Params are what InParams and InGrads index.
	Params  []Param
	Classes int
	// Dropout says that some operation reads the dropout key.
	Dropout bool
}

// Instruction is one operation over values.
type Instruction struct {
	Spec     op.Spec
	Dst, Src []*Value
	// Backward is set for what runs behind the loss.
	Backward bool
	// Sync is the index in Dst of moments that ranks may average after the run, or -1.
	Sync int
}

// Value is one tensor of a step: an input, a parameter, or a result of an operation.
type Value struct {
	Name string // of an input, a parameter or a state; empty for results
	Len  int    // elements, gaps counted
	Home Home
	// Of and At make it a range of channels of a wider value, from channel At on.
	Of *Value
	At int
}

// Root is the value that v is a part of, or v itself.
func (v *Value) Root() *Value {
	if v.Of != nil {
		return v.Of
	}
	return v
}

// Home is where a value lives.
type Home struct {
	Kind  HomeKind
	Index int // in the list of the parameters or states
}

// HomeKind tells homes apart.
type HomeKind int

// The homes of values. All but the first are memory that the caller of a step knows.
const (
	InArena  HomeKind = iota // wherever whoever runs the step finds room
	InPixels                 // the batch of images
	InLabels                 // their classes
	InScale                  // the factor of the loss
	InKey                    // the dropout key
	InStats                  // loss and number of correct samples
	InParams                 // parameter Index
	InGrads                  // its gradient
	InState                  // the running mean at Index and the running variance behind it
)

// Finishes are the parameters whose gradients the instruction writes, the later one first.
func (i *Instruction) Finishes() []int {
	var params []int
	for k := len(i.Dst) - 1; k >= 0; k-- {
		if h := i.Dst[k].Home; h.Kind == InGrads {
			params = append(params, h.Index)
		}
	}
	return params
}
