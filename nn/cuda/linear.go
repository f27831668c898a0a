//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

type (
	linearForward         struct{ op.LinearForward }
	linearBackwardData    struct{ op.LinearBackwardData }
	linearBackwardWeights struct{ op.LinearBackwardWeights }
)

func libType(half bool) libs.Type {
	if half {
		return libs.BF16
	}
	return libs.F32
}

// matrix is a dense one, row after row.
func matrix(at uintptr, half bool, rows, columns int) libs.Matrix {
	return libs.Matrix{Ptr: at, Type: libType(half), Rows: rows, Cols: columns, Stride: columns}
}

// transposed is m as the product sees its transpose.
func transposed(m libs.Matrix) libs.Matrix {
	m.Transposed = true
	return m
}

func (e *emitter) gemm(name string, c, a, b libs.Matrix, beta float32) {
	blas, math := e.device.blas, e.device.math()
	e.do(name, func() error { return blas.Gemm(c, a, b, 1, beta, math) })
}

// flattens says that x must be reordered: the weights count its elements channel by channel.
func flattens(l op.Linear) bool { return l.Src.H*l.Src.W > 1 && l.Src.C > 1 }

// flat is the input [N, C*H*W].
func (e *emitter) flat(l op.Linear, x op.Buffer) libs.Matrix {
	at := x.Device
	if flattens(l) {
		at = e.scratch(scratchA)
		hw := l.Src.H * l.Src.W
		e.launch("chw_from_hwc"+suffix(x.Half), kernels.Transpose(l.Src.N, hw, l.Src.C, e.device.info.Multiprocessors),
			at, x.Device, int32(l.Src.N), int32(hw), int32(l.Src.C))
	}
	return matrix(at, x.Half, l.Src.N, l.In())
}

func (n *needs) flat(l op.Linear, half bool) {
	if flattens(l) {
		n.atLeast(scratchA, elementBytes(half)*int64(l.Src.Len()))
	}
}

func (l linearForward) needs(_ *Device, o operands) (n needs, err error) {
	n.flat(l.Linear, o.dst[0].Half)
	return n, nil
}

func (l linearForward) emit(e *emitter, o operands) error {
	y := o.dst[0]
	w, err := e.use(linearWeights(l.Linear, o.src[1], y.Half))
	if err != nil {
		return err
	}
	x := e.flat(l.Linear, o.src[0])
	e.gemm("cublas x*w", matrix(y.Device, y.Half, l.Src.N, l.Out), x, transposed(matrix(w, y.Half, l.Out, l.In())), 0)
	e.biasAct(op.Image{N: l.Src.N, H: 1, W: 1, C: l.Out}, y.Half, y.Device, y.Device, o.src[2].Device, l.ReLU)
	return nil
}

func (l linearBackwardData) needs(_ *Device, o operands) (n needs, err error) {
	n.flat(l.Linear, o.dst[0].Half)
	return n, nil
}

func (l linearBackwardData) emit(e *emitter, o operands) error {
	dx := o.dst[0]
	w, err := e.use(linearWeights(l.Linear, o.src[1], dx.Half))
	if err != nil {
		return err
	}
	dy, weights := matrix(o.src[0].Device, dx.Half, l.Src.N, l.Out), matrix(w, dx.Half, l.Out, l.In())
	if !flattens(l.Linear) {
		e.gemm("cublas dy*w", matrix(dx.Device, dx.Half, l.Src.N, l.In()), dy, weights, float32(flag(l.Accumulate)))
		if l.Mask {
			e.mask(dx.Half, dx.Device, o.mask(true), l.Src.Len())
		}
		return nil
	}
	flat, hw := e.scratch(scratchA), l.Src.H*l.Src.W
	e.gemm("cublas dy*w", matrix(flat, dx.Half, l.Src.N, l.In()), dy, weights, 0)
	e.launch("hwc_from_chw"+suffix(dx.Half), kernels.Transpose(l.Src.N, hw, l.Src.C, e.device.info.Multiprocessors),
		dx.Device, flat, o.mask(l.Mask), flag(l.Accumulate), int32(l.Src.N), int32(hw), int32(l.Src.C))
	return nil
}

func (l linearBackwardWeights) needs(d *Device, o operands) (n needs, err error) {
	n.flat(l.Linear, o.src[0].Half)
	n.columnSums(d, l.output())
	return n, nil
}

func (l linearBackwardWeights) output() op.Image { return op.Image{N: l.Src.N, H: 1, W: 1, C: l.Out} }

func (l linearBackwardWeights) emit(e *emitter, o operands) error {
	dy := o.src[0]
	x := e.flat(l.Linear, o.src[1])
	e.gemm("cublas dy*x", matrix(o.dst[0].Device, false, l.Out, l.In()), transposed(matrix(dy.Device, dy.Half, l.Src.N, l.Out)), x, 0)
	e.columnSums(o.dst[1].Device, dy.Device, dy.Half, l.output())
	return nil
}
