package nn

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
)

// value is one tensor of a step: an input, a parameter, or a result of an operation.
type value struct {
	name   string // of an input, a parameter or a state; empty for results
	length int    // elements, gaps counted
	// home is set for memory that is not planned: inputs, parameters, gradients, state.
	home home
	// of and at make it a range of channels of a wider value, from channel at on.
	of *value
	at int
	// half says that its elements are bfloat16.
	half bool
	// mem is the planned memory; nil for views and values with a home.
	mem *memory
}

// home is a place for a value outside of the arena.
type home struct {
	kind  homeKind
	index int // in the list of the parameters or states
}

type homeKind int

const (
	inArena homeKind = iota
	inPixels
	inLabels
	inScale
	inKey
	inStats
	inParams
	inGrads
	inState // the running mean at index and the running variance behind it
)

// instr is one operation over values.
type instr struct {
	spec     Spec
	dst, src []*value
	// backward is set for what runs behind the loss.
	backward bool
	// sync is the index in dst of moments to average over ranks after the run, or -1.
	sync int
}

// listing is a step in the order of execution.
type listing struct {
	instrs       []*instr
	logits, loss *value
}

// lowering is the state of lower.
type lowering struct {
	net    *network
	values map[*gorgonia.Node][]*value // the outputs of each node
	listing
}

// lower writes the graph down as a list of operations, in the order in which their nodes were created, which is the
// same in every process. Nothing is fused yet: concatenations are copies, and sums over branches are additions.
func lower(net *network) (*listing, error) {
	l := &lowering{net: net, values: map[*gorgonia.Node][]*value{}}
	l.input(net.input, inPixels, 0)
	l.input(net.labels, inLabels, 0)
	l.input(net.scale, inScale, 0)
	if net.key != nil {
		l.input(net.key, inKey, 0)
	}
	for i, n := range net.nodes {
		l.input(n, inParams, i)
	}
	for i, n := range net.stateNodes {
		l.input(n, inState, i)
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
		if v.home.kind != inArena {
			return nil, fmt.Errorf("%w: the gradient of %s is also another value", ErrModel, net.params[i].Name)
		}
		v.home = home{inGrads, i}
	}
	l.logits, l.loss = l.values[net.logits][0], l.values[net.loss][0]
	l.loss.home = home{inStats, 0}
	return &l.listing, nil
}

func (l *lowering) input(n *gorgonia.Node, kind homeKind, index int) {
	l.values[n] = []*value{{name: n.Name(), length: n.Shape().TotalSize(), home: home{kind, index}}}
}

// lower adds what one node does.
func (l *lowering) lower(n *gorgonia.Node) error {
	switch o := n.Op().(type) {
	case nil: // an input
	case *outputOp:
		l.values[n] = []*value{l.values[o.inputs[0]][o.index]}
	case *concatOp:
		whole := &value{length: o.image.Len()}
		at := 0
		for i, p := range o.parts {
			part := p
			part.Pitch = o.image.C
			l.emit(ChannelCopy{Src: p, Dst: part}, []*value{{length: part.Span(), of: whole, at: at}}, l.values[o.inputs[i]][0])
			at += p.C
		}
		l.values[n] = []*value{whole}
	case *sliceOp:
		part := o.image
		part.Pitch = o.of.C
		v := &value{length: o.image.Len()}
		view := &value{length: part.Span(), of: l.values[o.inputs[0]][0], at: o.at}
		l.emit(ChannelCopy{Src: part, Dst: o.image}, []*value{v}, view)
		l.values[n] = []*value{v}
	case kernelNode:
		l.values[n] = l.lowerOp(o)
	default:
		switch {
		case n.Value() != nil: // the constant one that Grad starts from
		case o.String() == "+ false": // Gorgonia sums the gradients of a value that several operations read
			a, b := l.values[l.child(n, 0)][0], l.values[l.child(n, 1)][0]
			v := &value{length: a.length}
			l.emit(Add{Len: a.length}, []*value{v}, a, b)
			l.values[n] = []*value{v}
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
func (l *lowering) lowerOp(node kernelNode) []*value {
	o := node.base()
	var src []*value
	for _, in := range o.inputs {
		src = append(src, l.values[in][0])
	}
	lens, _ := Operands(o.spec)
	dst := make([]*value, len(lens))
	for i, n := range lens {
		dst[i] = &value{length: n}
	}
	switch bn := node.(type) {
	case *batchNormOp:
		dst[1].home = home{inState, bn.state}
	case *batchNormInferenceOp:
		mean := *src[3]
		mean.length *= 2
		src = append(src[:3:3], &mean)
	}
	l.emit(o.spec, dst, src...)
	return dst
}

func (l *lowering) emit(spec Spec, dst []*value, src ...*value) {
	i := &instr{spec: spec, dst: dst, src: src, sync: -1}
	if last := len(l.instrs) - 1; last >= 0 {
		prev := l.instrs[last]
		_, loss := prev.spec.(SoftmaxCrossEntropyForward)
		i.backward = prev.backward || loss
	}
	switch spec.(type) {
	case BatchNormMoments:
		i.sync = 0
	case BatchNormBackwardSums:
		i.sync = 2
	}
	l.instrs = append(l.instrs, i)
}
