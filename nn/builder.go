package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// BuildFunc is a model: it adds layers to x, a batch of images, and returns the logits, one row a sample.
type BuildFunc func(b *Builder, x *Tensor) *Tensor

// Tensor is a batch of activations in a graph under construction.
type Tensor struct {
	// Shape is NHWC; a matrix [N, C] has height and width one.
	Shape Image
	node  *gorgonia.Node
	// trained is set where a parameter lies upstream, so that somebody needs the gradient.
	trained bool
}

// Builder adds layers to a graph and records their parameters in the order in which PyTorch would: by module, weight
// before bias.
//
// Names are those of the state dict of a torch.nn.Sequential of the same layers: the layer's index, then "weight" or
// "bias". Every call counts as one module, and so does the nn.Flatten that a Linear layer implies where it takes
// images: lenet's third parametric layer is "7", after two times convolution, sigmoid and pooling and the flattening.
//
// The first error sticks: later calls return a placeholder, and whoever runs the BuildFunc reports it.
type Builder struct {
	graph  *gorgonia.ExprGraph
	params []Param
	nodes  []*gorgonia.Node // of params
	specs  []Spec           // of the layers, in order
	module int
	err    error
}

// Err is the first error, or nil.
func (b *Builder) Err() error { return b.err }

func (b *Builder) fail(layer string, err error) *Tensor {
	if b.err == nil {
		b.err = fmt.Errorf("layer %d (%s): %w", b.module, layer, err)
	}
	return &Tensor{Shape: Image{N: 1, H: 1, W: 1, C: 1}}
}

// window is the geometry that Options set.
type window struct{ kernelH, kernelW, strideH, strideW, padH, padW int }

// Option changes the sliding window of a Conv2D or AvgPool layer.
type Option func(*window)

// Stride moves the window by n; the default is 1 for Conv2D and the window's size for AvgPool.
func Stride(n int) Option { return StrideHW(n, n) }

// StrideHW is Stride with a step for each axis.
func StrideHW(h, w int) Option { return func(g *window) { g.strideH, g.strideW = h, w } }

// Pad adds n zeros on each of the four sides; the default is none.
func Pad(n int) Option { return PadHW(n, n) }

// PadHW is Pad with h above and below and w left and right.
func PadHW(h, w int) Option { return func(g *window) { g.padH, g.padW = h, w } }

// KernelHW makes the window h high and w wide.
func KernelHW(h, w int) Option { return func(g *window) { g.kernelH, g.kernelW = h, w } }

// Conv2D is a convolution with bias: channels output channels, a kernel by kernel window.
func (b *Builder) Conv2D(x *Tensor, channels, kernel int, options ...Option) *Tensor {
	g := window{kernelH: kernel, kernelW: kernel, strideH: 1, strideW: 1}
	for _, o := range options {
		o(&g)
	}
	c := Conv{
		Src:     x.Shape,
		KernelH: g.kernelH, KernelW: g.kernelW, StrideH: g.strideH, StrideW: g.strideW, PadH: g.padH, PadW: g.padW,
	}
	c.Dst = g.output(x.Shape, channels)
	if b.err != nil {
		return b.fail("Conv2d", b.err)
	}
	if err := c.Validate(); err != nil {
		return b.fail("Conv2d", err)
	}
	fanIn := c.Src.C * c.KernelH * c.KernelW
	w := b.param("Conv2d", "weight", fanIn, channels, c.Src.C, c.KernelH, c.KernelW)
	bias := b.param("Conv2d", "bias", fanIn, channels)
	o := &convOp{newOp(ConvForward{Conv: c}, nhwc(c.Dst), x.node, w, bias), c, x.trained}
	return b.add("Conv2d", o, c.Dst, true)
}

// Linear is a fully connected layer with bias. It flattens images in the order channel, row, column.
func (b *Builder) Linear(x *Tensor, out int) *Tensor {
	l := Linear{Src: x.Shape, Out: out}
	if b.err != nil {
		return b.fail("Linear", b.err)
	}
	if x.isImage() {
		b.module++ // the nn.Flatten
	}
	if err := l.Validate(); err != nil {
		return b.fail("Linear", err)
	}
	w := b.param("Linear", "weight", l.In(), out, l.In())
	bias := b.param("Linear", "bias", l.In(), out)
	o := &linearOp{newOp(LinearForward{Linear: l}, tensor.Shape{l.Src.N, out}, x.node, w, bias), l, x.trained}
	return b.add("Linear", o, l.dst(), true)
}

// AvgPool averages over size by size windows, which do not overlap unless Stride says so. Padding counts as zeros.
func (b *Builder) AvgPool(x *Tensor, size int, options ...Option) *Tensor {
	g := window{kernelH: size, kernelW: size}
	for _, o := range options {
		o(&g)
	}
	if g.strideH == 0 && g.strideW == 0 {
		g.strideH, g.strideW = g.kernelH, g.kernelW
	}
	p := Pool{
		Src: x.Shape, Dst: g.output(x.Shape, x.Shape.C),
		KernelH: g.kernelH, KernelW: g.kernelW, StrideH: g.strideH, StrideW: g.strideW, PadH: g.padH, PadW: g.padW,
	}
	if b.err != nil {
		return b.fail("AvgPool2d", b.err)
	}
	if err := p.Validate(); err != nil {
		return b.fail("AvgPool2d", err)
	}
	if !x.isImage() {
		return b.fail("AvgPool2d", fmt.Errorf("%w: it takes images, not a matrix", ErrSpec))
	}
	o := &avgPoolOp{newOp(AvgPoolForward{p}, nhwc(p.Dst), x.node), p}
	return b.add("AvgPool2d", o, p.Dst, x.trained)
}

// Sigmoid is 1/(1+exp(-x)) of each element.
func (b *Builder) Sigmoid(x *Tensor) *Tensor {
	if b.err != nil {
		return b.fail("Sigmoid", b.err)
	}
	o := &sigmoidOp{newOp(SigmoidForward{x.Shape.Len()}, x.node.Shape().Clone(), x.node)}
	return b.add("Sigmoid", o, x.Shape, x.trained)
}

// output is the shape that a window makes of src.
func (g window) output(src Image, channels int) Image {
	return Image{
		N: src.N, C: channels,
		H: WindowOut(src.H, g.kernelH, g.strideH, g.padH), W: WindowOut(src.W, g.kernelW, g.strideW, g.padW),
	}
}

// add puts a layer's operation into the graph and counts the module.
func (b *Builder) add(layer string, o kernelNode, shape Image, trained bool) *Tensor {
	n, err := apply(o)
	if err != nil {
		return b.fail(layer, err)
	}
	b.specs = append(b.specs, o.base().spec)
	b.module++
	return &Tensor{Shape: shape, node: n, trained: trained}
}

// param records the next parameter and gives it an input node.
func (b *Builder) param(layer, kind string, fanIn int, shape ...int) *gorgonia.Node {
	p := Param{Name: fmt.Sprintf("%d.%s", b.module, kind), Layer: layer, Kind: kind, Shape: shape, FanIn: fanIn, Len: 1}
	for _, d := range shape {
		p.Len *= d
	}
	if last := len(b.params) - 1; last >= 0 {
		p.Offset = b.params[last].Offset + b.params[last].Len
	}
	n := gorgonia.NewTensor(b.graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(p.Name))
	b.params, b.nodes = append(b.params, p), append(b.nodes, n)
	return n
}

func (x *Tensor) isImage() bool { return x.node == nil || x.node.Shape().Dims() == 4 }

func nhwc(i Image) tensor.Shape { return tensor.Shape{i.N, i.H, i.W, i.C} }
