package nn

import (
	"fmt"
	"slices"
)

// Param is one tensor of parameters.
type Param struct {
	// Name is unique, as in PyTorch's state dict: see Builder.
	Name string
	// Layer is PyTorch's name of the layer's class, "Conv2d" or "Linear", and Kind is "weight" or "bias".
	Layer, Kind string
	// Shape is [out, in, height, width] for a convolution's weights, [out, in] for a linear layer's, [out] for a bias.
	Shape []int
	// FanIn is the number of inputs that one output of the layer sums; it scales the initial values.
	FanIn int
	// Offset and Len are the place in Params.Values and Params.Grads, in elements.
	Offset, Len int
}

// Params are a model's parameters and their gradients. Each lies in one contiguous buffer without gaps, in the order
// of List; the device that allocated them owns the memory. Any number of Programs of the same model share one.
type Params struct {
	List          []Param
	Values, Grads Buffer
}

// NewParams allocates the parameters of a model on a device, all zero. The image side matters, for it sets the size of
// the first linear layer.
func NewParams(device Device, side int, build BuildFunc) (*Params, error) {
	info, err := Inspect(side, build)
	if err != nil {
		return nil, err
	}
	p := &Params{List: info.Params}
	if p.Values, err = device.Alloc(info.ParamLen()); err != nil {
		return nil, fmt.Errorf("allocating %d parameters: %w", info.ParamLen(), err)
	}
	if p.Grads, err = device.Alloc(info.ParamLen()); err != nil {
		return nil, fmt.Errorf("allocating %d gradients: %w", info.ParamLen(), err)
	}
	return p, nil
}

// Len is the number of scalars in all parameters.
func (p *Params) Len() int {
	last := p.List[len(p.List)-1]
	return last.Offset + last.Len
}

// Value is the memory of parameter i.
func (p *Params) Value(i int) Buffer { return p.Values.Slice(p.List[i].Offset, p.List[i].Len) }

// Grad is the memory of parameter i's gradient.
func (p *Params) Grad(i int) Buffer { return p.Grads.Slice(p.List[i].Offset, p.List[i].Len) }

// match says how another model's parameters differ, or nil.
func (p *Params) match(other []Param) error {
	if len(p.List) != len(other) {
		return fmt.Errorf("%w: it has %d parameters where the memory is for %d", ErrModel, len(other), len(p.List))
	}
	for i, a := range p.List {
		if b := other[i]; a.Name != b.Name || !slices.Equal(a.Shape, b.Shape) {
			return fmt.Errorf("%w: parameter %d is %s %v where the memory is for %s %v", ErrModel, i, b.Name, b.Shape, a.Name, a.Shape)
		}
	}
	return nil
}
