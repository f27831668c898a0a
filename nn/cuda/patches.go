//go:build gpu && cgo

package cuda

import (
	"fmt"

	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

// patches is an algorithm of our own (im2col): the windows of the input are written out as rows of a matrix, and cuBLAS
// makes the product. It gives the same bits each time. cuDNN may have none, or no fast one, for images of few channels,
// which do not suit tensor cores.
type patches struct {
	task   convTask
	images int // at a time
}

// fewChannels is below what tensor cores take at once.
const fewChannels = 8

// patchesBytes is about how much memory the patches take at a time: much of what the cache of a large GPU holds, so
// that the product need not read them from memory.
var patchesBytes int64 = 32 << 20

// newPatches takes as many images at a time as fit.
func newPatches(task convTask) patches {
	p := patches{task, 1}
	one, _ := p.matrices(0, 1)
	p.images = int(max(1, min(patchesBytes/roomOf(one), int64(task.conv.Src.N))))
	return p
}

// roomOf is the memory that a matrix takes, so that what follows is aligned.
func roomOf(m libs.Matrix) int64 {
	return roundUp(elementBytes(m.Type == libs.BF16) * int64(m.Rows) * int64(m.Stride))
}

// matrices are those of the product of some images, from an address on: their patches, and the weights or their
// gradient. Both have columns up to a multiple of 16 bytes, which cuBLAS's fast kernels want; those beyond the window
// are 0. What is summed later is float32.
func (p patches) matrices(at uintptr, images int) (rows, weights libs.Matrix) {
	c, half := p.task.conv, p.task.half
	together := int(16 / elementBytes(half))
	columns := (p.window() + together - 1) / together * together
	rows = matrix(at, half && p.task.pass != libs.PassBackwardData, images*c.Dst.H*c.Dst.W, columns)
	weights = matrix(at+uintptr(roomOf(rows)), half && p.task.pass != libs.PassBackwardWeights, c.Dst.C, columns)
	return rows, weights
}

// window is the number of elements of one.
func (p patches) window() int { return p.task.conv.WeightLen() / p.task.conv.Dst.C }

func (p patches) workspaceBytes() int64 {
	rows, weights := p.matrices(0, p.images)
	return roomOf(rows) + roomOf(weights)
}

// asPatches are the weights as images of one line, each of which is one window: the kernels for patches then pad them,
// and take the padding off.
func (p patches) asPatches() convArgs {
	c := p.task.conv.Dst.C
	k := int32(p.window())
	return convArgs{n: int32(c), h: 1, w: k, c: 1, oh: 1, ow: 1, oc: 1, kh: 1, kw: k, sh: 1, sw: 1}
}

func (p patches) emit(e *emitter, _ string, at addresses) {
	d, c, half, kind := e.device, p.task.conv, p.task.half, suffix(p.task.half)
	x, w, y := at.in1, at.in2, at.out // forwards
	switch p.task.pass {
	case libs.PassBackwardData:
		w, y, x = at.in1, at.in2, at.out
	case libs.PassBackwardWeights:
		x, y, w = at.in1, at.in2, at.out
	}
	_, weights := p.matrices(at.workspace, p.images)
	if p.task.pass != libs.PassBackwardWeights {
		e.launch("patches"+kind, d.elementwise(weights.Rows*weights.Stride), weights.Ptr, w, p.asPatches(), int32(weights.Stride))
	}
	for first := 0; first < c.Src.N; first += p.images {
		part := c
		part.Src.N = min(p.images, c.Src.N-first)
		part.Dst.N = part.Src.N
		rows, _ := p.matrices(at.workspace, part.Src.N)
		result := matrix(y+uintptr(elementBytes(half)*int64(first*c.Dst.H*c.Dst.W*c.Dst.C)), half, rows.Rows, c.Dst.C)
		images := x + uintptr(elementBytes(half)*int64(first*c.Src.H*c.Src.W*c.Src.C))
		p.part(e, part, images, rows, weights, result, float32(flag(first > 0)))
	}
	if p.task.pass == libs.PassBackwardWeights {
		e.launch("sum_patches"+kind, d.elementwise(c.WeightLen()), w, weights.Ptr, p.asPatches(), int32(weights.Stride), int32(0))
	}
}

// part does the images of c, which lie at x: rows are their patches, and y their results. beta is that of the weights'
// gradient.
func (p patches) part(e *emitter, c op.Conv, x uintptr, rows, weights, y libs.Matrix, beta float32) {
	d, kind, stride := e.device, suffix(p.task.half), int32(rows.Stride)
	if p.task.pass == libs.PassBackwardData {
		e.gemm("cublas dy*w", rows, y, weights, 0)
		e.launch("sum_patches"+kind, d.elementwise(c.Src.Len()), x, rows.Ptr, convArgsOf(c), stride, flag(p.task.accumulate))
		return
	}
	e.launch("patches"+kind, d.elementwise(rows.Rows*rows.Stride), rows.Ptr, x, convArgsOf(c), stride)
	if p.task.pass == libs.PassForward {
		e.gemm("cublas patches*w", y, rows, transposed(weights), 0)
	} else {
		e.gemm("cublas dy*patches", weights, transposed(y), rows, beta)
	}
}

func (p patches) fuses() bool    { return false }
func (p patches) close() error   { return nil }
func (p patches) String() string { return fmt.Sprintf("patches of %d images", p.images) }
