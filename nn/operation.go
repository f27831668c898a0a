package nn

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// operation is what every operation of this package is inside a Gorgonia graph: a Spec and the shapes of its operands.
// It implements gorgonia.Op; the forward operations embed it and add gorgonia.SDOp. The first operand of the spec's dst
// is the node's value; follow-up nodes (outputOp) give the others.
type operation struct {
	id     uint64
	spec   op.Spec
	inputs gorgonia.Nodes
	output tensor.Shape

	// kernel is nil unless a test gives it one; Do needs it.
	kernel op.Kernel
	// results holds all outputs of the last Do, for the follow-up nodes.
	results []gorgonia.Value
}

// kernelNode is an operation with a spec to compile, as lowering meets it in a graph.
type kernelNode interface {
	graphOp
	base() *operation
}

// opIDs makes every operation's hash unique: Gorgonia merges nodes whose 32-bit hashes are equal.
var opIDs atomic.Uint64

func newOperation(spec op.Spec, output tensor.Shape, inputs ...*gorgonia.Node) operation {
	return operation{spec: spec, inputs: inputs, output: output}
}

// graphOp is an operation of this package as a graph holds it.
type graphOp interface {
	gorgonia.Op
	setID(uint64)
	inputNodes() gorgonia.Nodes
}

// apply adds the operation to the graph of its inputs. A new identity is drawn until its hash is free, because the
// graph would hand back an older node on a collision.
func apply(o graphOp) (*gorgonia.Node, error) {
	const attempts = 8
	for range attempts {
		o.setID(opIDs.Add(1))
		n, err := gorgonia.ApplyOp(o, o.inputNodes()...)
		if err != nil {
			return nil, fmt.Errorf("adding %v: %w", o, err)
		}
		if n.Op() == gorgonia.Op(o) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("adding %v: its hash collided %d times", o, attempts)
}

func (o *operation) base() *operation { return o }
func (o *operation) setID(id uint64)  { o.id = id }

func (o *operation) inputNodes() gorgonia.Nodes { return o.inputs }

func (o *operation) Arity() int { return len(o.inputs) }

// Type is made afresh on each call because Gorgonia takes it apart.
func (o *operation) Type() hm.Type { return functionType(o.output, o.inputs) }

func (o *operation) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.output.Clone(), nil
}

func (o *operation) ReturnsPtr() bool { return true }

// CallsExtern is false even where the device is a C library: Gorgonia would otherwise insert device instructions and
// allocations of its own.
func (o *operation) CallsExtern() bool    { return false }
func (o *operation) OverwritesInput() int { return -1 }

func (o *operation) WriteHash(h hash.Hash) { fmt.Fprintf(h, "ringloom %d", o.id) }
func (o *operation) Hashcode() uint32      { return hashcode(o) }
func (o *operation) String() string        { return o.spec.Kind() + "(" + o.spec.String() + ")" }

var errHostOnly = errors.New("gorgonia's machines need kernels of a device that computes in host memory")

// Do runs the kernel on Gorgonia's own values, with fresh memory for the results. Only Gorgonia's machines call it;
// Program runs the kernels on planned memory.
func (o *operation) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	if o.kernel == nil {
		return nil, fmt.Errorf("%v: %w", o, errHostOnly)
	}
	dstLens, srcLens := op.Lens(o.spec)
	dst, src := make([]op.Buffer, len(dstLens)), make([]op.Buffer, len(srcLens))
	for i := range src {
		data, ok := values[i].Data().([]float32)
		if !ok {
			return nil, fmt.Errorf("%v: operand %d is %T, not float32", o, i, values[i].Data())
		}
		src[i].Host = data
	}
	o.results = make([]gorgonia.Value, len(dst))
	for i, n := range dstLens {
		dst[i].Host = make([]float32, n)
		shape := tensor.Shape{n}
		if i == 0 && o.output.TotalSize() == n {
			shape = o.output.Clone()
		}
		o.results[i] = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(dst[i].Host))
	}
	return o.results[0], o.kernel.Run(dst, src)
}

// outputOp gives the output numbered index of an operation that has several. Its first input is that operation's
// node; any others are there for the order of execution alone.
type outputOp struct {
	id     uint64
	of     *operation
	index  int
	inputs gorgonia.Nodes
	output tensor.Shape
}

// output adds a node for one more result of node's operation.
func output(node *gorgonia.Node, index int, shape tensor.Shape, others ...*gorgonia.Node) (*gorgonia.Node, error) {
	inputs := append(gorgonia.Nodes{node}, others...)
	return apply(&outputOp{of: node.Op().(kernelNode).base(), index: index, inputs: inputs, output: shape})
}

func (o *outputOp) setID(id uint64)            { o.id = id }
func (o *outputOp) inputNodes() gorgonia.Nodes { return o.inputs }

func (o *outputOp) Arity() int    { return len(o.inputs) }
func (o *outputOp) Type() hm.Type { return functionType(o.output, o.inputs) }
func (o *outputOp) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.output.Clone(), nil
}
func (o *outputOp) ReturnsPtr() bool      { return true }
func (o *outputOp) CallsExtern() bool     { return false }
func (o *outputOp) OverwritesInput() int  { return -1 }
func (o *outputOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "ringloom %d", o.id) }
func (o *outputOp) Hashcode() uint32      { return hashcode(o) }
func (o *outputOp) String() string        { return fmt.Sprintf("output %d of %v", o.index, o.of) }

// Do returns what the operation's own Do, which ran before, left.
func (o *outputOp) Do(...gorgonia.Value) (gorgonia.Value, error) {
	if o.index >= len(o.of.results) {
		return nil, fmt.Errorf("%v: it has not run", o)
	}
	v := o.of.results[o.index].(*tensor.Dense)
	if err := v.Reshape(o.output...); err != nil {
		return nil, fmt.Errorf("%v: %w", o, err)
	}
	return v, nil
}

func hashcode(o gorgonia.Op) uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func functionType(output tensor.Shape, inputs gorgonia.Nodes) hm.Type {
	types := make([]hm.Type, 0, len(inputs)+1)
	for _, n := range inputs {
		types = append(types, typeOf(n.Shape()))
	}
	return hm.NewFnType(append(types, typeOf(output))...)
}

// typeOf is the plain Float32 for a scalar, as gorgonia.Grad wants the loss to be, and a tensor type otherwise.
func typeOf(s tensor.Shape) hm.Type {
	if len(s) == 0 {
		return tensor.Float32
	}
	return gorgonia.TensorType{Dims: len(s), Of: tensor.Float32}
}
