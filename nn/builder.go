package nn

import (
	"fmt"
	"slices"
	"strconv"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// BuildFunc is a model: it adds layers to x, a batch of images, and returns the logits, one row a sample.
type BuildFunc func(b *Builder, x *Tensor) *Tensor

// Tensor is a batch of activations in a graph under construction.
type Tensor struct {
	// Shape is NHWC; a matrix [N, C] has height and width one.
	Shape op.Image
	node  *gorgonia.Node
	layer int // index of the layer that makes it, or -1 for the network's input
	// trained is set where a parameter lies upstream, so that somebody needs the gradient.
	trained bool
	// flat is set for a matrix, or for images that Flatten has made one: a Linear layer counts no nn.Flatten then.
	flat bool
}

// Builder adds layers to a graph and records their parameters in the order in which PyTorch would: by module, weight
// before bias.
//
// Names are those of PyTorch's state dict. A layer is a module of the innermost Sequential that is open, and is called
// by its index there: "0.weight". Every layer counts, those without parameters too, and so does the nn.Flatten that a
// Linear layer implies where it takes images: lenet's third parametric layer is "7", after two times convolution,
// sigmoid and pooling and the flattening. Inside a module that is a class of its own rather than a Sequential, Named
// gives the attribute's name.
//
// The first error sticks: later calls return a placeholder, and whoever runs the BuildFunc reports it.
type Builder struct {
	*construction
	name string // of the next module; empty for its index
}

// construction is what all Builders of a network share.
type construction struct {
	graph    *gorgonia.ExprGraph
	training bool // batch norm and dropout depend on it
	dropout  bool // false leaves dropout out even in training

	params     []Param
	nodes      []*gorgonia.Node // of params
	state      []Param
	stateNodes []*gorgonia.Node
	key        *gorgonia.Node // of the dropout layers; nil where there is none
	layers     []Layer
	dropouts   uint32 // layers so far

	scopes []scope
	err    error
}

// scope is a module whose children are being added.
type scope struct {
	prefix string
	next   int // index of the next child
}

// Layer is one module of a network, or one function that PyTorch would write without a module (Concat, Add).
type Layer struct {
	// Module is the name in PyTorch's state dict, without ".weight"; Class is the name of PyTorch's class, such as
	// "Conv2d" or "AdaptiveAvgPool2d", or "Concat" and "Add".
	Module, Class string
	// Inputs are indices of the layers that it reads; -1 is the network's input.
	Inputs []int
	// Output is the shape of its result.
	Output op.Image
	// Spec is the operation; nil for Flatten, for Dropout outside of training, and for Concat.
	Spec op.Spec
	// Params and State are indices into Info's lists of the same names.
	Params, State []int
}

func newBuilder(g *gorgonia.ExprGraph, training, dropout bool) *Builder {
	return &Builder{construction: &construction{graph: g, training: training, dropout: dropout, scopes: []scope{{}}}}
}

// Err is the first error, or nil.
func (b *Builder) Err() error { return b.err }

func (b *Builder) fail(class string, err error) *Tensor {
	if b.err == nil {
		b.err = fmt.Errorf("layer %s (%s): %w", b.peek(), class, err)
	}
	return &Tensor{Shape: op.Image{N: 1, H: 1, W: 1, C: 1}}
}

// Named returns a Builder for one layer or Sequential, which is called by name instead of by its index:
// b.Named("p1_1").Conv2D(x, 64, 1).
func (b *Builder) Named(name string) *Builder {
	return &Builder{construction: b.construction, name: name}
}

// Sequential is a module with children: what layers adds belongs to it.
func (b *Builder) Sequential(x *Tensor, layers func(x *Tensor) *Tensor) *Tensor {
	b.scopes = append(b.scopes, scope{prefix: b.module() + "."})
	x = layers(x)
	b.scopes = b.scopes[:len(b.scopes)-1]
	return x
}

// peek is the full name of the next module.
func (b *Builder) peek() string {
	s := b.scopes[len(b.scopes)-1]
	if b.name != "" {
		return s.prefix + b.name
	}
	return s.prefix + strconv.Itoa(s.next)
}

// module is the full name of the next module, and counts it.
func (b *Builder) module() string {
	name := b.peek()
	if b.name == "" {
		b.scopes[len(b.scopes)-1].next++
	}
	return name
}

// layer describes what add adds. Its first parameters and states are those that param and addState made for it.
type layer struct {
	class   string
	spec    op.Spec
	inputs  []*Tensor
	shape   op.Image
	trained bool
	params  int // how many of the newest parameters are its own
	state   int
}

// add counts a layer and returns its result, the value of node.
func (b *Builder) add(l layer, node *gorgonia.Node) *Tensor {
	info := Layer{Module: b.module(), Class: l.class, Output: l.shape, Spec: l.spec}
	for _, in := range l.inputs {
		info.Inputs = append(info.Inputs, in.layer)
	}
	for i := len(b.params) - l.params; i < len(b.params); i++ {
		info.Params = append(info.Params, i)
	}
	for i := len(b.state) - l.state; i < len(b.state); i++ {
		info.State = append(info.State, i)
	}
	b.layers = append(b.layers, info)
	return &Tensor{Shape: l.shape, node: node, layer: len(b.layers) - 1, trained: l.trained}
}

// apply puts a layer's operation into the graph and adds the layer.
func (b *Builder) apply(l layer, o graphOp) *Tensor {
	if b.err != nil {
		return b.fail(l.class, b.err)
	}
	n, err := apply(o)
	if err != nil {
		return b.fail(l.class, err)
	}
	return b.add(l, n)
}

// param records the next parameter, of the layer about to be added, and gives it an input node.
func (b *Builder) param(class, kind string, fanIn int, shape ...int) *gorgonia.Node {
	return b.tensor(&b.params, &b.nodes, class, kind, fanIn, shape)
}

// addState is param for a tensor that is not trained.
func (b *Builder) addState(class, kind string, shape ...int) *gorgonia.Node {
	return b.tensor(&b.state, &b.stateNodes, class, kind, 0, shape)
}

func (b *Builder) tensor(
	list *[]Param, nodes *[]*gorgonia.Node, class, kind string, fanIn int, shape []int,
) *gorgonia.Node {
	p := Param{Name: b.peek() + "." + kind, Layer: class, Kind: kind, Shape: shape, FanIn: fanIn, Len: 1}
	for _, d := range shape {
		p.Len *= d
	}
	if last := len(*list) - 1; last >= 0 {
		p.Offset = (*list)[last].Offset + (*list)[last].Len
	}
	if slices.ContainsFunc(*list, func(q Param) bool { return q.Name == p.Name }) && b.err == nil {
		b.err = fmt.Errorf("two parameters are called %s: use Named or Sequential", p.Name)
	}
	n := inputNode(b.graph, p.Name, shape...)
	*list, *nodes = append(*list, p), append(*nodes, n)
	return n
}

// node of a tensor under construction is never nil after an error-free call.
func (x *Tensor) isImage() bool { return !x.flat }

func nhwc(i op.Image) tensor.Shape { return tensor.Shape{i.N, i.H, i.W, i.C} }
