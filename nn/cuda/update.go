//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

func adamUpdate(s op.AdamUpdate) simple {
	return func(e *emitter, o operands) {
		e.launch("adam", e.device.elementwise(s.Len), o.dst[0].Device, o.dst[1].Device, o.dst[2].Device,
			o.src[0].Device, o.src[1].Device, int64(s.Len))
	}
}

func sgdUpdate(s op.SGDUpdate) simple {
	return func(e *emitter, o operands) {
		e.launch("sgd", e.device.elementwise(s.Len), o.dst[0].Device, o.dst[1].Device,
			o.src[0].Device, o.src[1].Device, int64(s.Len), flag(s.Nesterov))
	}
}

type sumOfSquares struct{ op.SumOfSquares }

const float64Bytes = 8

func (s sumOfSquares) needs(*Device, operands) (n needs, err error) {
	_, parts := kernels.SumOfSquares(int64(s.Len))
	n.atLeast(scratchSums, float64Bytes*int64(parts))
	return n, nil
}

func (s sumOfSquares) emit(e *emitter, o operands) error {
	l, parts := kernels.SumOfSquares(int64(s.Len))
	partial := e.scratch(scratchSums)
	e.launch("sum_of_squares", l, partial, o.src[0].Device, int64(s.Len))
	e.launch("sum_of_squares_finish", kernels.SumOfSquaresFinish(), o.dst[0].Device, partial, int32(parts))
	return nil
}
