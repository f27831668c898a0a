//go:build gpu && cgo

package cuda

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/cuda/libs"
)

// patches is a way of our own: the windows of the input are written out as rows of a matrix, and cuBLAS makes the product. It gives
// the same bits each time. cuDNN may have no way, or no fast one, for images of few channels, which do not suit tensor cores.
type patches struct {
	device *Device
	task   convTask
	images int // at a time
}

// fewChannels is below what tensor cores take at once.
const fewChannels = 8

// patchesBytes is about how much memory the patches take at a time: much of what the cache of a large GPU holds, so that the
// product need not read them from memory.
var patchesBytes int64 = 32 << 20

// newPatches takes as many images at a time as fit.
func (d *Device) newPatches(task convTask) patches {
	p := patches{d, task, 1}
	p.images = int(max(1, min(patchesBytes/p.bytes(), int64(task.conv.Src.N))))
	return p
}

// columns are the elements of a patch.
func (p patches) columns() int { return p.task.conv.WeightLen() / p.task.conv.Dst.C }

// wide says that patches are float32: gradients of them are, for they are summed later.
func (p patches) wide() bool { return !p.task.half || p.task.pass == libs.PassBackwardData }

// matrix is that of some images' patches, whose rows begin at multiples of 16 bytes.
func (p patches) matrix(at uintptr, images int) libs.Matrix {
	y := p.task.conv.Dst
	m := matrix(at, !p.wide(), images*y.H*y.W, p.columns())
	together := int(16 / elementBytes(!p.wide()))
	m.Stride = (m.Cols + together - 1) / together * together
	return m
}

// bytes is the memory that the patches take.
func (p patches) bytes() int64 {
	m := p.matrix(0, p.images)
	return (elementBytes(!p.wide())*int64(m.Rows)*int64(m.Stride) + alignBytes - 1) / alignBytes * alignBytes
}

// summed says that the gradient of the weights is summed beside the result, which would round what is added to it in each turn.
func (p patches) summed() bool {
	return p.task.half && p.task.pass == libs.PassBackwardWeights && p.images < p.task.conv.Src.N
}

func (p patches) workspaceBytes() int64 {
	if p.summed() {
		return p.bytes() + float32Bytes*int64(p.task.conv.WeightLen())
	}
	return p.bytes()
}

func (p patches) run(at addresses) error {
	c, half := p.task.conv, p.task.half
	x, w, y := at.in1, at.in2, at.out // forwards
	switch p.task.pass {
	case libs.PassBackwardData:
		w, y, x = at.in1, at.in2, at.out
	case libs.PassBackwardWeights:
		x, y, w = at.in1, at.in2, at.out
	}
	weights := matrix(w, half, c.Dst.C, p.columns())
	if p.summed() {
		weights = matrix(at.workspace+uintptr(p.bytes()), false, c.Dst.C, p.columns())
	}
	for first := 0; first < c.Src.N; first += p.images {
		part := c
		part.Src.N = min(p.images, c.Src.N-first)
		part.Dst.N = part.Src.N
		rows := p.matrix(at.workspace, part.Src.N)
		result := matrix(y+uintptr(elementBytes(half)*int64(first*c.Dst.H*c.Dst.W*c.Dst.C)), half, rows.Rows, c.Dst.C)
		images := x + uintptr(elementBytes(half)*int64(first*c.Src.H*c.Src.W*c.Src.C))
		if err := p.part(part, images, rows, weights, result, float32(flag(first > 0))); err != nil {
			return err
		}
	}
	if p.summed() {
		n := c.WeightLen()
		return p.device.launchNow("cast_bf16", p.device.elementwise(n), w, weights.Ptr, int64(n))
	}
	return nil
}

// part does the images of c, which lie at x: rows are their patches, and y their results. beta is that of the weights' gradient.
func (p patches) part(c nn.Conv, x uintptr, rows, weights, y libs.Matrix, beta float32) error {
	d, kind, stride := p.device, suffix(p.task.half), int32(rows.Stride)
	if p.task.pass == libs.PassBackwardData {
		if err := d.blas.Gemm(rows, y, weights, 1, 0, d.math()); err != nil {
			return err
		}
		return d.launchNow("sum_patches"+kind, d.elementwise(c.Src.Len()), x, rows.Ptr, convArgsOf(c), stride, flag(p.task.accumulate))
	}
	if err := d.launchNow("patches"+kind, d.elementwise(rows.Rows*rows.Stride), rows.Ptr, x, convArgsOf(c), stride); err != nil {
		return err
	}
	if p.task.pass == libs.PassForward {
		return d.blas.Gemm(y, rows, transposed(weights), 1, 0, d.math())
	}
	return d.blas.Gemm(weights, transposed(y), rows, 1, beta, d.math())
}

func (p patches) fuses() bool    { return false }
func (p patches) close() error   { return nil }
func (p patches) String() string { return fmt.Sprintf("patches of %d images", p.images) }
