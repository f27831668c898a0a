package nn

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/op"
)

// The operations below are the forward halves of layers, each with its rule of differentiation. A rule creates the
// nodes of dW and db before that of dX: execution follows creation, so a layer's gradients are ready, and on their way
// to the other ranks, before the next layer's work begins. Where nobody needs dX the rule says so in DiffWRT, and
// gives nil for it; the operation cannot see that in the graph, so the builder tells it.

type convOp struct {
	operation
	conv    op.Conv
	needsDX bool
}

func (o *convOp) DiffWRT(n int) []bool { return firstIf(n, o.needsDX) }

func (o *convOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	weights, data := op.ConvBackwardWeights{Conv: o.conv}, op.ConvBackwardData{Conv: o.conv}
	return parametricGradients(inputs, dy, o.needsDX, weights, data)
}

type linearOp struct {
	operation
	linear  op.Linear
	needsDX bool
}

func (o *linearOp) DiffWRT(n int) []bool { return firstIf(n, o.needsDX) }

func (o *linearOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	weights, data := op.LinearBackwardWeights{Linear: o.linear}, op.LinearBackwardData{Linear: o.linear}
	return parametricGradients(inputs, dy, o.needsDX, weights, data)
}

// firstIf is n times true, but for the first.
func firstIf(n int, first bool) []bool {
	wrt := make([]bool, n)
	for i := range wrt {
		wrt[i] = i > 0 || first
	}
	return wrt
}

// parametricGradients are dx (nil unless needed), dw and, where there is a bias, db of a layer with inputs x, w, b.
func parametricGradients(
	inputs gorgonia.Nodes, dy *gorgonia.Node, needsDX bool, weights, data op.Spec,
) (gorgonia.Nodes, error) {
	x, w := inputs[0], inputs[1]
	dw, err := applySpec(weights, w.Shape().Clone(), dy, x)
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{nil, dw}
	if len(inputs) > 2 {
		db, err := output(dw, 1, inputs[2].Shape().Clone())
		if err != nil {
			return nil, err
		}
		grads = append(grads, db)
	}
	if needsDX {
		grads[0], err = applySpec(data, x.Shape().Clone(), dy, w)
	}
	return grads, err
}

// applySpec adds a node that runs spec.
func applySpec(spec op.Spec, shape tensor.Shape, inputs ...*gorgonia.Node) (*gorgonia.Node, error) {
	o := newOperation(spec, shape, inputs...)
	return apply(&o)
}

// only is the gradients of an operation whose first input alone has one.
func only(dx *gorgonia.Node, inputs gorgonia.Nodes, err error) (gorgonia.Nodes, error) {
	grads := make(gorgonia.Nodes, len(inputs))
	grads[0] = dx
	return grads, err
}

// firstOnly is what DiffWRT says for those.
func firstOnly(n int) []bool {
	wrt := make([]bool, n)
	wrt[0] = true
	return wrt
}

type avgPoolOp struct {
	operation
	pool op.Pool
}

func (o *avgPoolOp) DiffWRT(n int) []bool { return firstOnly(n) }

func (o *avgPoolOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := applySpec(op.AvgPoolBackward{Pool: o.pool}, inputs[0].Shape().Clone(), dy)
	return only(dx, inputs, err)
}

type maxPoolOp struct {
	operation
	pool op.Pool
}

func (o *maxPoolOp) DiffWRT(n int) []bool { return firstOnly(n) }

func (o *maxPoolOp) SymDiff(inputs gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	where, err := output(y, 1, tensor.Shape{o.pool.WhereLen()})
	if err != nil {
		return nil, err
	}
	dx, err := applySpec(op.MaxPoolBackward{Pool: o.pool}, inputs[0].Shape().Clone(), dy, where)
	return only(dx, inputs, err)
}

type sigmoidOp struct{ operation }

func (o *sigmoidOp) DiffWRT(n int) []bool { return firstOnly(n) }

func (o *sigmoidOp) SymDiff(inputs gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := applySpec(op.SigmoidBackward{Len: y.Shape().TotalSize()}, inputs[0].Shape().Clone(), dy, y)
	return only(dx, inputs, err)
}

type reluOp struct{ operation }

func (o *reluOp) DiffWRT(n int) []bool { return firstOnly(n) }

func (o *reluOp) SymDiff(inputs gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := applySpec(op.ReLUBackward{Len: y.Shape().TotalSize()}, inputs[0].Shape().Clone(), dy, y)
	return only(dx, inputs, err)
}

type dropoutOp struct{ operation }

func (o *dropoutOp) DiffWRT(n int) []bool { return firstOnly(n) }

func (o *dropoutOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := applySpec(o.spec, inputs[0].Shape().Clone(), dy, inputs[1])
	return only(dx, inputs, err)
}

type addOp struct {
	operation
	trained [2]bool
}

func (o *addOp) DiffWRT(int) []bool { return o.trained[:] }

func (o *addOp) SymDiff(_ gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	grads := gorgonia.Nodes{nil, nil}
	for i := range grads {
		if o.trained[i] {
			grads[i] = dy
		}
	}
	return grads, nil
}

// batchNormOp takes x, gamma, beta and moments. Its rule is the derivative through the moments as well, so these have
// none of their own.
type batchNormOp struct {
	operation
	needsDX bool
	state   int // index of the running mean, which the running variance follows
}

func (o *batchNormOp) DiffWRT(int) []bool { return []bool{o.needsDX, true, true, false} }

func (o *batchNormOp) SymDiff(inputs gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, gamma, moments := inputs[0], inputs[1], inputs[3]
	image := o.spec.(op.BatchNormForward).Image
	dgamma, err := applySpec(op.BatchNormBackwardSums{Image: image}, gamma.Shape().Clone(), dy, x, moments)
	if err != nil {
		return nil, err
	}
	dbeta, err := output(dgamma, 1, gamma.Shape().Clone())
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{nil, dgamma, dbeta, nil}
	if !o.needsDX {
		return grads, nil
	}
	means, err := output(dgamma, 2, moments.Shape().Clone())
	if err != nil {
		return nil, err
	}
	grads[0], err = applySpec(op.BatchNormBackward{Image: image}, x.Shape().Clone(), dy, x, gamma, moments, means)
	return grads, err
}

// batchNormInferenceOp takes x, gamma, beta, running mean and running variance; its kernel wants the last two, which
// are neighbours in memory, as one operand. It is never differentiated.
type batchNormInferenceOp struct{ operation }

// Do joins the running moments for the kernel.
func (o *batchNormInferenceOp) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	mean, variance := values[3].Data().([]float32), values[4].Data().([]float32)
	both := tensor.New(tensor.WithBacking(append(append([]float32(nil), mean...), variance...)))
	return o.operation.Do(values[0], values[1], values[2], both)
}

// lossOp is the root of a training graph: its inputs are logits, labels and scale, and its value is the loss. Its
// kernel leaves the gradient of the logits as a second output.
type lossOp struct{ operation }

func (o *lossOp) DiffWRT(n int) []bool { return firstOnly(n) }

var errLossIsRoot = errors.New(
	"the loss must be what the graph is differentiated from: its gradient is that for a factor of one")

func (o *lossOp) SymDiff(inputs gorgonia.Nodes, loss, dLoss *gorgonia.Node) (gorgonia.Nodes, error) {
	if one, ok := dLoss.Value().(*gorgonia.F32); !ok || *one != 1 {
		return nil, errLossIsRoot
	}
	dlogits, err := output(loss, 1, inputs[0].Shape().Clone(), dLoss)
	return only(dlogits, inputs, err)
}

// Do returns the loss as the scalar that the node's type promises.
func (o *lossOp) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	stats, err := o.operation.Do(values...)
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
