package nn

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// network is a model's graph at one batch size, up to and including the loss.
type network struct {
	*Builder
	input, labels, scale *gorgonia.Node
	logits, loss         *gorgonia.Node
	classes              int
	// grads are the nodes of the parameters' gradients; empty until differentiate.
	grads gorgonia.Nodes
}

// ErrModel is wrapped by errors about a BuildFunc that does not make a usable model.
var ErrModel = errors.New("invalid model")

// newNetwork runs build over a batch of one-channel images of the given side.
func newNetwork(build BuildFunc, batch, side int) (*network, error) {
	shape := Image{N: batch, H: side, W: side, C: 1}
	if err := shape.validate("batch"); err != nil {
		return nil, err
	}
	g := gorgonia.NewGraph()
	net := &network{Builder: &Builder{graph: g}}
	net.input = inputNode(g, "input", nhwc(shape)...)
	out := build(net.Builder, &Tensor{Shape: shape, node: net.input})
	if net.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, net.err)
	}
	if len(net.params) == 0 {
		return nil, fmt.Errorf("%w: it has no parameters", ErrModel)
	}
	if out.isImage() {
		return nil, fmt.Errorf("%w: it must end in a matrix of logits, not in images %v", ErrModel, out.Shape)
	}
	net.logits, net.classes = out.node, out.Shape.C
	net.labels = inputNode(g, "labels", batch)
	net.scale = inputNode(g, "scale", 1)
	o := &lossOp{newOp(SoftmaxCrossEntropyForward{N: batch, C: net.classes}, scalarShape, net.logits, net.labels, net.scale)}
	var err error
	net.loss, err = apply(o)
	return net, err
}

func inputNode(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

// differentiate adds the backward nodes to the graph.
func (n *network) differentiate() (err error) {
	if n.grads, err = gorgonia.Grad(n.loss, n.nodes...); err != nil {
		return fmt.Errorf("differentiating the model: %w", err)
	}
	return nil
}

// Info is what a model is, without memory or device.
type Info struct {
	Params  []Param
	Classes int
	// ForwardFLOPs is the arithmetic of one image's forward pass, as FLOPs counts it.
	ForwardFLOPs int64
}

// ParamLen is the number of scalars in all parameters.
func (i Info) ParamLen() int {
	last := i.Params[len(i.Params)-1]
	return last.Offset + last.Len
}

// Inspect builds a model for images of the given side only to look at it.
func Inspect(side int, build BuildFunc) (Info, error) {
	net, err := newNetwork(build, 1, side)
	if err != nil {
		return Info{}, err
	}
	info := Info{Params: net.params, Classes: net.classes}
	for _, s := range net.specs {
		info.ForwardFLOPs += FLOPs(s)
	}
	return info, nil
}
