package nn

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"ringloom/nn/op"
)

// Lower builds the model's graph, differentiates it where it is for training, and writes the step down.
func Lower(c Config) (*Listing, error) {
	net, err := newNetwork(c)
	if err != nil {
		return nil, err
	}
	if c.Training {
		if err := net.differentiate(); err != nil {
			return nil, err
		}
	}
	return lower(net)
}

// lowering is the state of lower.
type lowering struct {
	net    *network
	values map[*gorgonia.Node][]*Value // the outputs of each node
	Listing
}

// lower writes the graph down as a list of operations, in the order in which their nodes were created, which is the
// same in every process.
func lower(net *network) (*Listing, error) {
	l := &lowering{net: net, values: map[*gorgonia.Node][]*Value{}}
	l.Params, l.Classes, l.Dropout = net.params, net.classes, net.key != nil
	l.input(net.input, InPixels, 0)
	l.input(net.labels, InLabels, 0)
	l.input(net.scale, InScale, 0)
	if net.key != nil {
		l.input(net.key, InKey, 0)
	}
	for i, n := range net.nodes {
		l.input(n, InParams, i)
	}
	for i, n := range net.stateNodes {
		l.input(n, InState, i)
	}
	nodes := slices.Clone(net.graph.AllNodes())
	slices.SortFunc(nodes, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	for _, n := range nodes {
		if err := l.lower(n); err != nil {
			return nil, err
		}
	}
	for i, n := range net.grads {
		v := l.values[n][0]
		if v.Home.Kind != InArena {
			return nil, fmt.Errorf("%w: the gradient of %s is also another value", ErrModel, net.params[i].Name)
		}
		v.Home = Home{InGrads, i}
	}
	l.Logits, l.Loss = l.values[net.logits][0], l.values[net.loss][0]
	l.Loss.Home = Home{InStats, 0}
	return &l.Listing, nil
}

func (l *lowering) input(n *gorgonia.Node, kind HomeKind, index int) {
	l.values[n] = []*Value{{Name: n.Name(), Len: n.Shape().TotalSize(), Home: Home{kind, index}}}
}

// lower adds what one node does.
func (l *lowering) lower(n *gorgonia.Node) error {
	switch o := n.Op().(type) {
	case nil: // an input
	case *outputOp:
		l.values[n] = []*Value{l.values[o.inputs[0]][o.index]}
	case *concatOp:
		whole := &Value{Len: o.image.Len()}
		at := 0
		for i, p := range o.parts {
			part := p
			part.Pitch = o.image.C
			view := &Value{Len: part.Span(), Of: whole, At: at}
			l.emit(op.ChannelCopy{Src: p, Dst: part}, []*Value{view}, l.values[o.inputs[i]][0])
			at += p.C
		}
		l.values[n] = []*Value{whole}
	case *sliceOp:
		part := o.image
		part.Pitch = o.of.C
		v := &Value{Len: o.image.Len()}
		view := &Value{Len: part.Span(), Of: l.values[o.inputs[0]][0], At: o.at}
		l.emit(op.ChannelCopy{Src: part, Dst: o.image}, []*Value{v}, view)
		l.values[n] = []*Value{v}
	case kernelNode:
		l.values[n] = l.lowerOp(o)
	default:
		switch {
		case n.Value() != nil: // the constant one that Grad starts from
		case o.String() == "+ false": // Gorgonia sums the gradients of a value that several operations read
			a, b := l.values[l.child(n, 0)][0], l.values[l.child(n, 1)][0]
			v := &Value{Len: a.Len}
			l.emit(op.Add{Len: a.Len}, []*Value{v}, a, b)
			l.values[n] = []*Value{v}
		default:
			return fmt.Errorf("%w: the graph holds %v, which is not an operation of this package", ErrModel, o)
		}
	}
	return nil
}

// child is operand i of a node of Gorgonia's own.
func (l *lowering) child(n *gorgonia.Node, i int) *gorgonia.Node {
	var children []*gorgonia.Node
	for it := l.net.graph.From(n.ID()); it.Next(); {
		children = append(children, it.Node().(*gorgonia.Node))
	}
	if len(children) == 1 { // the sum of a value with itself
		return children[0]
	}
	slices.SortFunc(children, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	return children[i]
}

// lowerOp adds an operation that has a kernel and returns its results.
func (l *lowering) lowerOp(node kernelNode) []*Value {
	o := node.base()
	var src []*Value
	for _, in := range o.inputs {
		src = append(src, l.values[in][0])
	}
	operands, _ := o.spec.Operands()
	dst := make([]*Value, len(operands))
	for i, d := range operands {
		dst[i] = &Value{Len: d.Len}
	}
	switch bn := node.(type) {
	case *batchNormOp:
		dst[1].Home = Home{InState, bn.state}
	case *batchNormInferenceOp:
		mean := *src[3]
		mean.Len *= 2
		src = append(src[:3:3], &mean)
	}
	l.emit(o.spec, dst, src...)
	return dst
}

func (l *lowering) emit(spec op.Spec, dst []*Value, src ...*Value) {
	i := &Instruction{Spec: spec, Dst: dst, Src: src, Sync: -1}
	if last := len(l.Instructions) - 1; last >= 0 {
		prev := l.Instructions[last]
		_, loss := prev.Spec.(op.SoftmaxCrossEntropyForward)
		i.Backward = prev.Backward || loss
	}
	switch spec.(type) {
	case op.BatchNormMoments:
		i.Sync = 0
	case op.BatchNormBackwardSums:
		i.Sync = 2
	}
	l.Instructions = append(l.Instructions, i)
}
