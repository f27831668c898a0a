package nn

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// The operations below are the forward halves of layers, each with its rule of differentiation. A rule creates the
// nodes of dW and db before that of dX: execution follows creation, so a layer's gradients are ready, and on their way
// to the other ranks, before the next layer's work begins. Where nobody needs dX the rule says so in DiffWRT, and
// gives nil for it; the operation cannot see that in the graph, so the builder tells it.

type convOp struct {
	op
	conv    Conv
	needsDX bool
}

func (o *convOp) DiffWRT(int) []bool { return []bool{o.needsDX, true, true} }

func (o *convOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return parametricGradients(inputs, dy, o.needsDX, ConvBackwardWeights{o.conv}, ConvBackwardData{Conv: o.conv})
}

type linearOp struct {
	op
	linear  Linear
	needsDX bool
}

func (o *linearOp) DiffWRT(int) []bool { return []bool{o.needsDX, true, true} }

func (o *linearOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return parametricGradients(inputs, dy, o.needsDX, LinearBackwardWeights{o.linear}, LinearBackwardData{Linear: o.linear})
}

// parametricGradients are dx (nil unless needed), dw and db of a layer with inputs x, w, b.
func parametricGradients(inputs gorgonia.Nodes, dy *gorgonia.Node, needsDX bool, weights, data Spec) (gorgonia.Nodes, error) {
	x, w, b := inputs[0], inputs[1], inputs[2]
	dwOp := newOp(weights, w.Shape().Clone(), dy, x)
	dw, err := apply(&dwOp)
	if err != nil {
		return nil, err
	}
	db, err := output(dw, 1, b.Shape().Clone())
	if err != nil || !needsDX {
		return gorgonia.Nodes{nil, dw, db}, err
	}
	dxOp := newOp(data, x.Shape().Clone(), dy, w)
	dx, err := apply(&dxOp)
	return gorgonia.Nodes{dx, dw, db}, err
}

type avgPoolOp struct {
	op
	pool Pool
}

func (o *avgPoolOp) DiffWRT(int) []bool { return []bool{true} }

func (o *avgPoolOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dxOp := newOp(AvgPoolBackward{Pool: o.pool}, inputs[0].Shape().Clone(), dy)
	dx, err := apply(&dxOp)
	return gorgonia.Nodes{dx}, err
}

type sigmoidOp struct{ op }

func (o *sigmoidOp) DiffWRT(int) []bool { return []bool{true} }

func (o *sigmoidOp) SymDiff(inputs gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dxOp := newOp(SigmoidBackward{y.Shape().TotalSize()}, inputs[0].Shape().Clone(), dy, y)
	dx, err := apply(&dxOp)
	return gorgonia.Nodes{dx}, err
}

// lossOp is the root of a training graph: its inputs are logits, labels and scale, and its value is the loss. Its
// kernel leaves the gradient of the logits as a second output.
type lossOp struct{ op }

func (o *lossOp) DiffWRT(int) []bool { return []bool{true, false, false} }

var errLossIsRoot = errors.New("the loss must be what the graph is differentiated from: its gradient is that for a factor of one")

func (o *lossOp) SymDiff(inputs gorgonia.Nodes, loss, dLoss *gorgonia.Node) (gorgonia.Nodes, error) {
	if one, ok := dLoss.Value().(*gorgonia.F32); !ok || *one != 1 {
		return nil, errLossIsRoot
	}
	dlogits, err := output(loss, 1, inputs[0].Shape().Clone(), dLoss)
	return gorgonia.Nodes{dlogits, nil, nil}, err
}

// Do returns the loss as the scalar that the node's type promises.
func (o *lossOp) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	stats, err := o.op.Do(values...)
	if err != nil {
		return nil, err
	}
	s, ok := stats.Data().([]float32)
	if !ok {
		return nil, fmt.Errorf("%v: its result is %T", o, stats.Data())
	}
	return gorgonia.NewF32(s[0]), nil
}

// scalarShape is the shape of the loss.
var scalarShape = tensor.ScalarShape()
