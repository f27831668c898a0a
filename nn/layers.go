package nn

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// window is the geometry that Options set.
type window struct {
	kernelH, kernelW, strideH, strideW, padH, padW int
	noBias                                         bool
}

// Option changes the sliding window of a convolution or a pooling.
type Option func(*window)

// Stride moves the window by n; the default is 1 for Conv2D and the window's size for poolings.
func Stride(n int) Option { return StrideHW(n, n) }

// StrideHW is Stride with a step for each axis.
func StrideHW(h, w int) Option { return func(g *window) { g.strideH, g.strideW = h, w } }

// Pad adds n zeros on each of the four sides (in max pooling: nothing that could win); the default is none.
func Pad(n int) Option { return PadHW(n, n) }

// PadHW is Pad with h above and below and w left and right.
func PadHW(h, w int) Option { return func(g *window) { g.padH, g.padW = h, w } }

// KernelHW makes the window h high and w wide.
func KernelHW(h, w int) Option { return func(g *window) { g.kernelH, g.kernelW = h, w } }

// NoBias makes a convolution without bias.
func NoBias() Option { return func(g *window) { g.noBias = true } }

// output is the shape that a window makes of src.
func (g window) output(src op.Image, channels int) op.Image {
	return op.Image{
		N: src.N, C: channels,
		H: op.WindowOut(src.H, g.kernelH, g.strideH, g.padH), W: op.WindowOut(src.W, g.kernelW, g.strideW, g.padW),
	}
}

// Conv2D is a convolution: channels output channels, a kernel by kernel window.
func (b *Builder) Conv2D(x *Tensor, channels, kernel int, options ...Option) *Tensor {
	const class = "Conv2d"
	g := window{kernelH: kernel, kernelW: kernel, strideH: 1, strideW: 1}
	for _, o := range options {
		o(&g)
	}
	c := op.Conv{
		Src: x.Shape, Dst: g.output(x.Shape, channels), KernelH: g.kernelH, KernelW: g.kernelW,
		StrideH: g.strideH, StrideW: g.strideW, PadH: g.padH, PadW: g.padW, NoBias: g.noBias,
	}
	if b.err != nil {
		return b.fail(class, b.err)
	}
	if err := c.Validate(); err != nil {
		return b.fail(class, err)
	}
	fanIn := c.Src.C * c.KernelH * c.KernelW
	inputs := gorgonia.Nodes{x.node, b.param(class, "weight", fanIn, channels, c.Src.C, c.KernelH, c.KernelW)}
	if !c.NoBias {
		inputs = append(inputs, b.param(class, "bias", fanIn, channels))
	}
	spec := op.ConvForward{Conv: c}
	l := layer{class: class, spec: spec, inputs: []*Tensor{x}, shape: c.Dst, trained: true, params: len(inputs) - 1}
	return b.apply(l, &convOp{newOperation(spec, nhwc(c.Dst), inputs...), c, x.trained})
}

// Linear is a fully connected layer with bias. It flattens images in the order channel, row, column.
func (b *Builder) Linear(x *Tensor, out int) *Tensor {
	const class = "Linear"
	if x.isImage() {
		x = (&Builder{construction: b.construction}).Flatten(x)
	}
	l := op.Linear{Src: x.Shape, Out: out}
	if b.err != nil {
		return b.fail(class, b.err)
	}
	if err := l.Validate(); err != nil {
		return b.fail(class, err)
	}
	w := b.param(class, "weight", l.In(), out, l.In())
	bias := b.param(class, "bias", l.In(), out)
	spec := op.LinearForward{Linear: l}
	y := b.apply(layer{class: class, spec: spec, inputs: []*Tensor{x}, shape: l.Dst(), trained: true, params: 2},
		&linearOp{newOperation(spec, tensor.Shape{l.Src.N, out}, x.node, w, bias), l, x.trained})
	y.flat = true
	return y
}

// Flatten makes a matrix of images, in the order channel, row, column. It moves nothing: the layer that follows reads
// the pixels in that order.
func (b *Builder) Flatten(x *Tensor) *Tensor {
	if b.err != nil {
		return b.fail("Flatten", b.err)
	}
	y := b.add(layer{class: "Flatten", inputs: []*Tensor{x}, shape: x.Shape, trained: x.trained}, x.node)
	y.flat = true
	return y
}

// pool completes the geometry of a pooling; false after an error.
func (b *Builder) pool(class string, x *Tensor, size int, options []Option) (op.Pool, bool) {
	g := window{kernelH: size, kernelW: size}
	for _, o := range options {
		o(&g)
	}
	if g.strideH == 0 && g.strideW == 0 {
		g.strideH, g.strideW = g.kernelH, g.kernelW
	}
	p := op.Pool{
		Src: x.Shape, Dst: g.output(x.Shape, x.Shape.C),
		KernelH: g.kernelH, KernelW: g.kernelW, StrideH: g.strideH, StrideW: g.strideW, PadH: g.padH, PadW: g.padW,
	}
	if b.err == nil && !x.isImage() {
		b.fail(class, fmt.Errorf("%w: it takes images, not a matrix", op.ErrSpec))
	}
	return p, b.err == nil
}

// AvgPool averages over size by size windows, which do not overlap unless Stride says so. Padding counts as zeros.
func (b *Builder) AvgPool(x *Tensor, size int, options ...Option) *Tensor {
	return b.avgPool("AvgPool2d", x, size, options...)
}

// GlobalAvgPool averages each channel over the whole image.
func (b *Builder) GlobalAvgPool(x *Tensor) *Tensor {
	return b.avgPool("AdaptiveAvgPool2d", x, 1, KernelHW(x.Shape.H, x.Shape.W))
}

func (b *Builder) avgPool(class string, x *Tensor, size int, options ...Option) *Tensor {
	p, ok := b.pool(class, x, size, options)
	if !ok {
		return b.fail(class, b.err)
	}
	spec := op.AvgPoolForward{Pool: p}
	if err := spec.Validate(); err != nil {
		return b.fail(class, err)
	}
	return b.apply(layer{class: class, spec: spec, inputs: []*Tensor{x}, shape: p.Dst, trained: x.trained},
		&avgPoolOp{newOperation(spec, nhwc(p.Dst), x.node), p})
}

// MaxPool takes the largest of size by size windows, which do not overlap unless Stride says so.
func (b *Builder) MaxPool(x *Tensor, size int, options ...Option) *Tensor {
	const class = "MaxPool2d"
	p, ok := b.pool(class, x, size, options)
	if !ok {
		return b.fail(class, b.err)
	}
	spec := op.MaxPoolForward{Pool: p, Inference: !b.training}
	if err := spec.Validate(); err != nil {
		return b.fail(class, err)
	}
	return b.apply(layer{class: class, spec: spec, inputs: []*Tensor{x}, shape: p.Dst, trained: x.trained},
		&maxPoolOp{newOperation(spec, nhwc(p.Dst), x.node), p})
}

// Sigmoid is 1/(1+exp(-x)) of each element.
func (b *Builder) Sigmoid(x *Tensor) *Tensor {
	spec := op.SigmoidForward{Len: x.Shape.Len()}
	return b.elementwise("Sigmoid", x, spec, func(o operation) graphOp { return &sigmoidOp{o} })
}

// ReLU is max(0, x) of each element.
func (b *Builder) ReLU(x *Tensor) *Tensor {
	spec := op.ReLUForward{Len: x.Shape.Len()}
	return b.elementwise("ReLU", x, spec, func(o operation) graphOp { return &reluOp{o} })
}

func (b *Builder) elementwise(
	class string, x *Tensor, spec op.Spec, make func(operation) graphOp, others ...*gorgonia.Node,
) *Tensor {
	if b.err != nil {
		return b.fail(class, b.err)
	}
	o := make(newOperation(spec, x.node.Shape().Clone(), append(gorgonia.Nodes{x.node}, others...)...))
	y := b.apply(layer{class: class, spec: spec, inputs: []*Tensor{x}, shape: x.Shape, trained: x.trained}, o)
	y.flat = x.flat
	return y
}

// Dropout sets each element to 0 with probability rate and scales the others by 1/(1-rate); outside of training it
// does nothing. Which elements depends on Program's SetDropoutKey.
func (b *Builder) Dropout(x *Tensor, rate float32) *Tensor {
	const class = "Dropout"
	spec := op.Dropout{Len: x.Shape.Len(), Rate: rate, Layer: b.dropouts}
	if b.err != nil {
		return b.fail(class, b.err)
	}
	if err := spec.Validate(); err != nil {
		return b.fail(class, err)
	}
	if !b.training || !b.dropout {
		y := b.add(layer{class: class, inputs: []*Tensor{x}, shape: x.Shape, trained: x.trained}, x.node)
		y.flat = x.flat
		return y
	}
	b.dropouts++
	if b.key == nil {
		b.key = inputNode(b.graph, "dropout key", 2)
	}
	return b.elementwise(class, x, spec, func(o operation) graphOp { return &dropoutOp{o} }, b.key)
}

// BatchNorm normalises each channel, by the moments of the batch in training and by running ones otherwise, and scales
// and shifts it by parameters.
func (b *Builder) BatchNorm(x *Tensor) *Tensor {
	const class = "BatchNorm2d"
	if b.err != nil {
		return b.fail(class, b.err)
	}
	if !x.isImage() {
		return b.fail(class, fmt.Errorf("%w: it takes images, not a matrix", op.ErrSpec))
	}
	c := x.Shape.C
	gamma, beta := b.param(class, "weight", 0, c), b.param(class, "bias", 0, c)
	mean, variance := b.addState(class, "running_mean", c), b.addState(class, "running_var", c)
	l := layer{class: class, inputs: []*Tensor{x}, shape: x.Shape, trained: true, params: 2, state: 2}
	if !b.training {
		spec := op.BatchNormInference{Image: x.Shape}
		l.spec = spec
		o := newOperation(spec, nhwc(x.Shape), x.node, gamma, beta, mean, variance)
		return b.apply(l, &batchNormInferenceOp{o})
	}
	m := newOperation(op.BatchNormMoments{Image: x.Shape}, tensor.Shape{2, c}, x.node)
	moments, err := apply(&m)
	if err != nil {
		return b.fail(class, err)
	}
	spec := op.BatchNormForward{Image: x.Shape, Count: x.Shape.N * x.Shape.H * x.Shape.W}
	l.spec = spec
	o := &batchNormOp{newOperation(spec, nhwc(x.Shape), x.node, gamma, beta, moments), x.trained, len(b.state) - 2}
	return b.apply(l, o)
}

// Concat joins images of the same height and width channel by channel.
func (b *Builder) Concat(xs ...*Tensor) *Tensor {
	const class = "Concat"
	if b.err != nil {
		return b.fail(class, b.err)
	}
	shape, trained := xs[0].Shape, false
	shape.C = 0
	var nodes gorgonia.Nodes
	o := &concatOp{}
	for _, x := range xs {
		if x.Shape.N != shape.N || x.Shape.H != shape.H || x.Shape.W != shape.W {
			return b.fail(class, fmt.Errorf("%w: images %v and %v differ in more than their channels",
				op.ErrSpec, xs[0].Shape, x.Shape))
		}
		shape.C += x.Shape.C
		nodes, trained = append(nodes, x.node), trained || x.trained
		o.parts, o.trained = append(o.parts, x.Shape), append(o.trained, x.trained)
	}
	if err := shape.Validate("concatenation"); err != nil {
		return b.fail(class, err)
	}
	o.movement = movement{inputs: nodes, image: shape}
	return b.apply(layer{class: class, inputs: xs, shape: shape, trained: trained}, o)
}

// Add is the sum of two batches of the same shape.
func (b *Builder) Add(x, y *Tensor) *Tensor {
	const class = "Add"
	if b.err != nil {
		return b.fail(class, b.err)
	}
	if x.Shape != y.Shape {
		return b.fail(class, fmt.Errorf("%w: the shapes %v and %v differ", op.ErrSpec, x.Shape, y.Shape))
	}
	spec := op.Add{Len: x.Shape.Len()}
	l := layer{class: class, spec: spec, inputs: []*Tensor{x, y}, shape: x.Shape, trained: x.trained || y.trained}
	z := b.apply(l, &addOp{newOperation(spec, x.node.Shape().Clone(), x.node, y.node), [2]bool{x.trained, y.trained}})
	z.flat = x.flat
	return z
}
