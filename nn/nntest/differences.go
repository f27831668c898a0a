package nntest

import (
	"math"
	"testing"

	"ringloom/nn/op"
)

// differentiable is a layer, set up on a device to be differentiated.
type differentiable struct {
	name string
	// operands are those that have a gradient, y the result of forward.
	operands []op.Buffer
	y        op.Buffer
	forward  func()
	// backward returns the gradients of the operands where dy is that of y.
	backward func(dy op.Buffer) []op.Buffer
	// step and tolerance are 1/2 and 1e-4 where they are 0: for what is linear in each operand alone, so that a large
	// step has no truncation error and rounding hardly matters.
	step, tolerance float64
}

// differences compares every element of every gradient with central differences of the forward kernel. The scalar
// differentiated is r·y for a fixed random r, summed in float64.
func differences(t *testing.T, d op.Device) {
	b := bench{t, d}
	for _, l := range b.differentiables() {
		sub(t, l.name, func(t *testing.T) {
			r := b.buffer(len(l.y.Host), 99)
			value := func() float64 {
				l.forward()
				sum := 0.0
				for i, v := range l.y.Host {
					if v == v { // not in a gap
						sum += float64(r.Host[i]) * float64(v)
					}
				}
				return sum
			}
			step, tolerance := 0.5, 1e-4
			if l.step != 0 {
				step, tolerance = l.step, l.tolerance
			}
			value()
			for i, gradient := range l.backward(r) {
				check(t, i, gradient.Host, l.operands[i].Host, step, tolerance, value)
			}
		})
	}
	for _, spec := range losses {
		if spec.N > 10 {
			continue
		}
		sub(t, specName(spec), func(t *testing.T) {
			src := b.source(spec)
			dlogits := b.compute(spec, src...)[1]
			k, dst := b.compile(spec), b.results(spec)
			check(t, 0, dlogits.Host, src[0].Host, 1e-2, 1e-3, func() float64 {
				b.run(k, dst, src)
				return float64(dst[0].Host[0])
			})
		})
	}
}

func (b bench) differentiables() (all []differentiable) {
	for _, c := range smallConvs {
		l := b.prepare(op.ConvForward{Conv: c})
		l.backward = func(dy op.Buffer) []op.Buffer {
			dx := b.compute(op.ConvBackwardData{Conv: c}, dy, l.operands[1])
			return append(dx, b.compute(op.ConvBackwardWeights{Conv: c}, dy, l.operands[0])...)
		}
		all = append(all, l)
	}
	for _, c := range smallLinears {
		l := b.prepare(op.LinearForward{Linear: c})
		l.backward = func(dy op.Buffer) []op.Buffer {
			dx := b.compute(op.LinearBackwardData{Linear: c}, dy, l.operands[1])
			return append(dx, b.compute(op.LinearBackwardWeights{Linear: c}, dy, l.operands[0])...)
		}
		all = append(all, l)
	}
	for _, p := range smallPools {
		l := b.prepare(op.AvgPoolForward{Pool: p})
		l.backward = func(dy op.Buffer) []op.Buffer { return b.compute(op.AvgPoolBackward{Pool: p}, dy) }
		all = append(all, l)
		if p.KernelH >= 2*p.PadH && p.KernelW >= 2*p.PadW {
			all = append(all, b.maxPool(p))
		}
	}
	for _, n := range lengths[:2] {
		sigmoid := b.prepare(op.SigmoidForward{Len: n})
		sigmoid.step, sigmoid.tolerance = 1e-2, 1e-3
		sigmoid.backward = func(dy op.Buffer) []op.Buffer { return b.compute(op.SigmoidBackward{Len: n}, dy, sigmoid.y) }
		relu := b.prepare(op.ReLUForward{Len: n})
		relu.step, relu.tolerance = 0.05, 1e-4
		for i, v := range relu.operands[0].Host { // none near the kink
			relu.operands[0].Host[i] = v + float32(math.Copysign(0.1, float64(v)))
		}
		relu.backward = func(dy op.Buffer) []op.Buffer { return b.compute(op.ReLUBackward{Len: n}, dy, relu.y) }
		sum := b.prepare(op.Add{Len: n})
		sum.backward = func(dy op.Buffer) []op.Buffer { return []op.Buffer{dy, dy} }
		all = append(all, sigmoid, relu, sum, b.dropout(n))
	}
	for _, i := range smallNorms {
		all = append(all, b.batchNorm(i))
	}
	return all
}

// prepare sets up a layer of one operation whose operands all have gradients.
func (b bench) prepare(spec op.Spec) differentiable {
	b.t.Helper()
	k, dst, src := b.compile(spec), b.results(spec), b.source(spec)
	return differentiable{name: specName(spec), operands: src, y: dst[0], forward: func() { b.run(k, dst, src) }}
}

func (b bench) maxPool(p op.Pool) differentiable {
	spec := op.MaxPoolForward{Pool: p}
	k, dst, src := b.compile(spec), b.results(spec), b.source(spec)
	return differentiable{
		name: specName(spec), operands: src, y: dst[0], step: 0.05, tolerance: 1e-4,
		forward:  func() { b.run(k, dst, src) },
		backward: func(dy op.Buffer) []op.Buffer { return b.compute(op.MaxPoolBackward{Pool: p}, dy, dst[1]) },
	}
}

// dropout is its own gradient for the same key.
func (b bench) dropout(n int) differentiable {
	spec := op.Dropout{Len: n, Rate: 0.4, Layer: 1}
	l := b.prepare(spec)
	key := l.operands[1]
	l.operands = l.operands[:1]
	l.backward = func(dy op.Buffer) []op.Buffer { return b.compute(spec, dy, key) }
	return l
}

// batchNorm is the whole layer: the moments depend on the input, too.
func (b bench) batchNorm(i op.Image) differentiable {
	spec := op.BatchNormForward{Image: i, Count: i.N * i.H * i.W}
	moments, forward := b.compile(op.BatchNormMoments{Image: i}), b.compile(spec)
	dst, src := b.results(spec), b.source(spec)
	return differentiable{
		name: specName(spec), operands: src[:3], y: dst[0], step: 1e-2, tolerance: 2e-3,
		forward: func() {
			b.run(moments, src[3:], src[:1])
			b.run(forward, dst, src)
		},
		backward: func(dy op.Buffer) []op.Buffer {
			sums := b.compute(op.BatchNormBackwardSums{Image: i}, dy, src[0], src[3])
			dx := b.compute(op.BatchNormBackward{Image: i}, dy, src[0], src[1], src[3], sums[2])
			return []op.Buffer{dx[0], sums[0], sums[1]}
		},
	}
}

// check compares gradient with (value(x+step) - value(x-step)) / 2 step for each element of x, operand number operand,
// which it moves and puts back.
func check(t *testing.T, operand int, gradient, x []float32, step, tolerance float64, value func() float64) {
	t.Helper()
	for i, at := range x {
		x[i] = at + float32(step)
		up, above := value(), float64(x[i])
		x[i] = at - float32(step)
		down, below := value(), float64(x[i])
		x[i] = at
		want, got := (up-down)/(above-below), float64(gradient[i])
		if !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
			t.Fatalf("gradient of operand %d: element %d is %g, finite differences give %g", operand, i, got, want)
		}
	}
}
