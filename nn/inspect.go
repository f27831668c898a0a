package nn

import "ringloom/nn/op"

// Info is what a model is, without memory or device.
type Info struct {
	// Params and State are the tensors of one Params.
	Params, State []Param
	Classes       int
	// ForwardFLOPs is the arithmetic of one image's forward pass, as FLOPs counts it.
	ForwardFLOPs int64
	// Layers are the modules in the order of execution, at a batch of one image, in training.
	Layers []Layer
}

// ParamLen is the number of scalars in all parameters.
func (i Info) ParamLen() int { return listLen(i.Params) }

// Inspect builds a model for images of the given side only to look at it. The error says so where a layer cannot take
// images of that size.
func Inspect(side int, build BuildFunc) (Info, error) {
	net, err := newNetwork(Config{Batch: 1, Side: side, Build: build, Training: true})
	if err != nil {
		return Info{}, err
	}
	info := Info{Params: net.params, State: net.state, Classes: net.classes, Layers: net.layers}
	for _, l := range net.layers {
		if l.Spec != nil {
			info.ForwardFLOPs += op.FLOPs(l.Spec)
		}
	}
	return info, nil
}
