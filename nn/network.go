package nn

import (
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// Config says which step of a model to build.
type Config struct {
	// Build is the model.
	Build BuildFunc
	// Batch is the number of images, and Side their height and width.
	Batch, Side int
	// Training adds the backward pass, and makes batch norm and dropout work as in training.
	Training bool
	// NoDropout leaves dropout out of training, for comparisons with other engines.
	NoDropout bool
	// Smoothing is the label smoothing of the loss, 0 <= Smoothing < 1; 0 is the plain cross-entropy.
	Smoothing float32
}

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

// newNetwork runs the configuration's Build over a batch of one-channel images.
func newNetwork(c Config) (*network, error) {
	shape := op.Image{N: c.Batch, H: c.Side, W: c.Side, C: 1}
	if err := shape.Validate("batch"); err != nil {
		return nil, err
	}
	g := gorgonia.NewGraph()
	net := &network{Builder: newBuilder(g, c.Training, !c.NoDropout)}
	net.input = inputNode(g, "input", nhwc(shape)...)
	out := c.Build(net.Builder, &Tensor{Shape: shape, node: net.input, layer: -1})
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
	net.labels = inputNode(g, "labels", c.Batch)
	net.scale = inputNode(g, "scale", 1)
	spec := op.SoftmaxCrossEntropyForward{N: c.Batch, C: net.classes, Smoothing: c.Smoothing}
	err := spec.Validate()
	if err != nil {
		return nil, err
	}
	o := &lossOp{newOperation(spec, scalarShape, net.logits, net.labels, net.scale)}
	net.loss, err = apply(o)
	return net, err
}

func inputNode(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

// gradLock is held while Gorgonia differentiates: Grad adds a node of its own package, which it hashes at the first
// use, to every graph.
var gradLock sync.Mutex

// differentiate adds the backward nodes to the graph.
func (n *network) differentiate() (err error) {
	gradLock.Lock()
	defer gradLock.Unlock()
	if n.grads, err = gorgonia.Grad(n.loss, n.nodes...); err != nil {
		return fmt.Errorf("differentiating the model: %w", err)
	}
	return nil
}
