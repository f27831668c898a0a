package purego

import (
	"math"

	"ringloom/nn/op"
)

// update cuts n elements into tasks.
func update(d *Device, n int, elements func(from, to int)) func() {
	const task = 1 << 16
	work := func(_, i int) { elements(i*task, min((i+1)*task, n)) }
	return func() { d.crew.do((n+task-1)/task, work) }
}

func adamUpdate[T element](d *Device, s op.AdamUpdate, o *operands[T]) func() {
	return update(d, s.Len, func(from, to int) {
		value, mean, square := o.dst[0], o.dst[1], o.dst[2]
		grad, h := o.src[0], o.src[1]
		beta1, beta2 := h[op.HyperMomentum], h[op.HyperBeta2]
		for i := from; i < to; i++ {
			g := grad[i]*h[op.HyperGradScale] + value[i]*h[op.HyperL2]
			mean[i] = beta1*mean[i] + (1-beta1)*g
			square[i] = beta2*square[i] + (1-beta2)*g*g
			root := T(math.Sqrt(float64(square[i])))
			value[i] = value[i]*h[op.HyperDecay] - h[op.HyperRate]*mean[i]/(root*h[op.HyperRoot]+h[op.HyperEpsilon])
		}
	})
}

func sgdUpdate[T element](d *Device, s op.SGDUpdate, o *operands[T]) func() {
	return update(d, s.Len, func(from, to int) {
		value, velocity := o.dst[0], o.dst[1]
		grad, h := o.src[0], o.src[1]
		momentum := h[op.HyperMomentum]
		for i := from; i < to; i++ {
			g := grad[i]*h[op.HyperGradScale] + value[i]*h[op.HyperL2]
			velocity[i] = momentum*velocity[i] + g
			move := velocity[i]
			if s.Nesterov {
				move = g + momentum*velocity[i]
			}
			value[i] = value[i]*h[op.HyperDecay] - h[op.HyperRate]*move
		}
	})
}

func sumOfSquares[T element](o *operands[T]) func() {
	return func() {
		sum := 0.0
		for _, v := range o.src[0] {
			sum += float64(v) * float64(v)
		}
		o.dst[0][0] = T(sum)
	}
}
