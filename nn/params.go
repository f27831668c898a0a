package nn

import (
	"errors"
	"fmt"
	"slices"

	"ringloom/nn/op"
)

// Param is one tensor of parameters, or of state.
type Param struct {
	// Name is unique, as in PyTorch's state dict: see Builder.
	Name string
	// Layer is PyTorch's name of the layer's class, "Conv2d", "Linear" or "BatchNorm2d", and Kind is "weight" or
	// "bias", for a state "running_mean" or "running_var".
	Layer, Kind string
	// Shape is [out, in, height, width] for a convolution's weights, [out, in] for a linear layer's, [out] for a bias.
	Shape []int
	// FanIn is the number of inputs that one output of the layer sums; it scales the initial values. 0 for batch norm.
	FanIn int
	// Offset and Len are the place in Params.Values and Params.Grads, in elements.
	Offset, Len int
}

// Params are a model's parameters and their gradients. Each lies in one contiguous buffer without gaps, in the order
// of List; the device that allocated them owns the memory. Any number of Programs of the same model share one.
type Params struct {
	List          []Param
	Values, Grads op.Buffer
	// State are the tensors that training updates without a gradient: of each batch norm layer the running mean, then
	// the running variance. StateValues holds them as Values holds the parameters; it is empty without any.
	State       []Param
	StateValues op.Buffer

	device op.Device
}

// NewParams allocates the parameters of a model on a device, all zero. The image side matters, for it sets the size of
// the first linear layer.
func NewParams(device op.Device, side int, build BuildFunc) (*Params, error) {
	info, err := Inspect(side, build)
	if err != nil {
		return nil, err
	}
	p := &Params{List: info.Params, State: info.State, device: device}
	if p.Values, err = device.Alloc(info.ParamLen()); err != nil {
		return nil, fmt.Errorf("allocating %d parameters: %w", info.ParamLen(), err)
	}
	if p.Grads, err = device.Alloc(info.ParamLen()); err != nil {
		return nil, fmt.Errorf("allocating %d gradients: %w", info.ParamLen(), err)
	}
	if n := listLen(p.State); n > 0 {
		if p.StateValues, err = device.Alloc(n); err != nil {
			return nil, fmt.Errorf("allocating %d elements of state: %w", n, err)
		}
		p.resetState()
	}
	return p, p.Push()
}

// Push brings the values and the state to the device after the host has written to their Host memory, and Pull brings
// them from there before it reads that. Where the device computes in that memory there is nothing to do.
func (p *Params) Push() error {
	return errors.Join(op.Push(p.device, p.Values), op.Push(p.device, p.StateValues))
}

// Pull is described at Push. It waits for what was queued.
func (p *Params) Pull() error {
	return errors.Join(op.Pull(p.device, p.Values), op.Pull(p.device, p.StateValues))
}

// resetState sets running means to 0 and running variances to 1, on the host.
func (p *Params) resetState() {
	for i, s := range p.State {
		v := p.StateValue(i).Host
		for j := range v {
			v[j] = 0
			if s.Kind == "running_var" {
				v[j] = 1
			}
		}
	}
}

// listLen is the number of scalars in all tensors of a list.
func listLen(list []Param) int {
	if len(list) == 0 {
		return 0
	}
	last := list[len(list)-1]
	return last.Offset + last.Len
}

// Len is the number of scalars in all parameters.
func (p *Params) Len() int { return listLen(p.List) }

// Value is the memory of parameter i.
func (p *Params) Value(i int) op.Buffer { return p.Values.Slice(p.List[i].Offset, p.List[i].Len) }

// Grad is the memory of parameter i's gradient.
func (p *Params) Grad(i int) op.Buffer { return p.Grads.Slice(p.List[i].Offset, p.List[i].Len) }

// StateValue is the memory of state i.
func (p *Params) StateValue(i int) op.Buffer {
	return p.StateValues.Slice(p.State[i].Offset, p.State[i].Len)
}

// Match says how another model's parameters differ, or nil.
func (p *Params) Match(other []Param) error {
	if len(p.List) != len(other) {
		return fmt.Errorf("%w: it has %d parameters where the memory is for %d", ErrModel, len(other), len(p.List))
	}
	for i, a := range p.List {
		if b := other[i]; a.Name != b.Name || !slices.Equal(a.Shape, b.Shape) {
			return fmt.Errorf("%w: parameter %d is %s %v where the memory is for %s %v",
				ErrModel, i, b.Name, b.Shape, a.Name, a.Shape)
		}
	}
	return nil
}
