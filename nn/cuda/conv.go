//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

type (
	convForward         struct{ op.ConvForward }
	convBackwardData    struct{ op.ConvBackwardData }
	convBackwardWeights struct{ op.ConvBackwardWeights }
)

// elementBytes is the size of an activation.
func elementBytes(half bool) int64 {
	if half {
		return float32Bytes / 2
	}
	return float32Bytes
}

func pitched(i op.Image) bool { return i.PixelPitch() != i.C }

func pixels(i op.Image) int64 { return int64(i.N) * int64(i.H) * int64(i.W) }

// taskOf is a convolution's task.
func taskOf(spec op.Spec, half bool) (task convTask, ok bool) {
	switch s := spec.(type) {
	case op.ConvForward:
		after := epilogue{bias: !s.NoBias, relu: s.ReLU, apart: pitched(s.Dst)}
		return convTask{pass: libs.PassForward, conv: s.Conv, half: half, after: after}, true
	case op.ConvBackwardData:
		return convTask{pass: libs.PassBackwardData, conv: s.Conv, half: half, accumulate: s.Accumulate}, true
	case op.ConvBackwardWeights:
		return convTask{pass: libs.PassBackwardWeights, conv: s.Conv, half: half}, true
	}
	return task, false
}

// algorithmOf is how a convolution is computed.
func (d *Device) algorithmOf(spec op.Spec, o operands) (algorithm, error) {
	task, _ := taskOf(spec, o.half(spec))
	return d.choose(task)
}

func (c convForward) needs(d *Device, o operands) (n needs, err error) {
	chosen, err := d.algorithmOf(c.ConvForward, o)
	if err != nil {
		return n, err
	}
	n.atLeast(scratchWorkspace, chosen.workspaceBytes())
	n.gather(c.Dst, o.dst[0].Half)
	return n, nil
}

func (c convForward) emit(e *emitter, o operands) error {
	half := o.dst[0].Half
	chosen, err := e.device.algorithmOf(c.ConvForward, o)
	if err != nil {
		return err
	}
	w, err := e.use(convWeights(c.Conv, o.src[1], half))
	if err != nil {
		return err
	}
	y := o.dst[0].Device
	at := addresses{in1: o.src[0].Device, in2: w, out: y, workspace: e.scratch(scratchWorkspace)}
	if !c.NoBias {
		if at.bias, err = e.use(biasOf(c.Conv, o.src[2])); err != nil {
			return err
		}
	}
	if pitched(c.Dst) {
		at.out = e.scratch(scratchA)
	}
	chosen.emit(e, "cudnn conv", at)
	if !chosen.fuses() && (!c.NoBias || c.ReLU || pitched(c.Dst)) {
		e.biasAct(c.Dst, half, y, at.out, at.bias, c.ReLU)
	}
	return nil
}

// biasAct is y = max(0, x + b), without b where it is 0, and without the maximum unless relu is set. x is dense.
func (e *emitter) biasAct(i op.Image, half bool, y, x, b uintptr, relu bool) {
	e.launch("bias_act"+suffix(half), e.channels(i),
		y, int32(i.PixelPitch()), x, b, pixels(i), int32(i.C), flag(relu))
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func (c convBackwardData) needs(d *Device, o operands) (n needs, err error) {
	chosen, err := d.algorithmOf(c.ConvBackwardData, o)
	if err != nil {
		return n, err
	}
	n.atLeast(scratchWorkspace, chosen.workspaceBytes())
	n.gather(c.Dst, o.dst[0].Half)
	return n, nil
}

// gather is the room for a dense copy of an image with a pitch.
func (n *needs) gather(i op.Image, half bool) {
	if pitched(i) {
		n.atLeast(scratchA, elementBytes(half)*int64(i.Len()))
	}
}

// dense is where the elements of an image lie without gaps.
func (e *emitter) dense(i op.Image, b op.Buffer) uintptr {
	if !pitched(i) {
		return b.Device
	}
	to := e.scratch(scratchA)
	if !e.gathered {
		e.copyChannels(b.Half, op.Image{N: i.N, H: i.H, W: i.W, C: i.C}, to, i, b.Device)
	}
	return to
}

// gathersSame says that two steps are the gradients of one convolution, of which the first has made the result's
// gradient dense for the second.
func gathersSame(first, second op.Step) bool {
	weights, ok := first.Spec.(op.ConvBackwardWeights)
	data, also := second.Spec.(op.ConvBackwardData)
	return ok && also && weights.Dst == data.Dst && first.Src[0].Device == second.Src[0].Device
}

func (c convBackwardData) emit(e *emitter, o operands) error {
	half := o.dst[0].Half
	chosen, err := e.device.algorithmOf(c.ConvBackwardData, o)
	if err != nil {
		return err
	}
	w, err := e.use(convWeights(c.Conv, o.src[1], half))
	if err != nil {
		return err
	}
	dx, dy := o.dst[0].Device, e.dense(c.Dst, o.src[0])
	chosen.emit(e, "cudnn conv.dx", addresses{in1: w, in2: dy, out: dx, workspace: e.scratch(scratchWorkspace)})
	if c.Mask {
		e.mask(half, dx, o.mask(true), c.Src.Len())
	}
	return nil
}

// mask makes dx zero where the result of a ReLU was not positive.
func (e *emitter) mask(half bool, dx, mask uintptr, n int) {
	e.launch("mask"+suffix(half), e.device.elementwise(n), dx, mask, int64(n))
}

// repacks says that cuDNN cannot write the gradient of the weights in the order and type, and to the place, where it is
// wanted.
func (c convBackwardWeights) repacks(o operands) bool {
	return !convWeights(c.Conv, o.dst[0], o.src[0].Half).plain()
}

func (c convBackwardWeights) needs(d *Device, o operands) (n needs, err error) {
	half := o.src[0].Half
	chosen, err := d.algorithmOf(c.ConvBackwardWeights, o)
	if err != nil {
		return n, err
	}
	n.atLeast(scratchWorkspace, chosen.workspaceBytes())
	n.gather(c.Dst, half)
	if c.repacks(o) {
		n.atLeast(scratchB, elementBytes(half)*int64(c.WeightLen()))
	}
	if !c.NoBias {
		n.columnSums(d, c.Dst)
	}
	return n, nil
}

func (c convBackwardWeights) emit(e *emitter, o operands) error {
	half := o.src[0].Half
	chosen, err := e.device.algorithmOf(c.ConvBackwardWeights, o)
	if err != nil {
		return err
	}
	x, dy, dw := o.src[1].Device, e.dense(c.Dst, o.src[0]), o.dst[0].Device
	if c.repacks(o) {
		dw = e.scratch(scratchB)
	}
	chosen.emit(e, "cudnn conv.dw", addresses{in1: x, in2: dy, out: dw, workspace: e.scratch(scratchWorkspace)})
	if taps := c.KernelH * c.KernelW; c.repacks(o) {
		e.launch("unpack_gradient"+suffix(half), kernels.Transpose(c.Dst.C, taps, c.Src.C, e.device.info.Multiprocessors),
			o.dst[0].Device, dw, int32(c.Dst.C), int32(c.Src.C), int32(taps))
	}
	if !c.NoBias {
		e.columnSums(o.dst[1].Device, dy, half, c.Dst)
	}
	return nil
}

// columnSums is the room for the parts of the sums over an image's pixels.
func (n *needs) columnSums(d *Device, i op.Image) {
	_, parts := kernels.ColumnSums(pixels(i), i.C, d.info.Multiprocessors)
	n.atLeast(scratchSums, 2*float32Bytes*int64(parts)*int64(i.C))
}

// columnSums adds up each channel of an image that lies at x without gaps, whatever its pitch.
func (e *emitter) columnSums(dst, x uintptr, half bool, i op.Image) {
	l, parts := kernels.ColumnSums(pixels(i), i.C, e.device.info.Multiprocessors)
	partial := e.scratch(scratchSums)
	e.launch("column_sums"+suffix(half), l, partial, x, pixels(i), int32(i.C), int32(i.C))
	e.launch("column_sums_finish", kernels.Finish(parts, i.C), dst, partial, int32(parts), int32(i.C))
}

// convShape is a convolution as cuDNN is told of it.
func (d *Device) convShape(c op.Conv, half bool) libs.ConvShape {
	s := libs.ConvShape{
		N: c.Src.N, H: c.Src.H, W: c.Src.W, C: c.Src.C, OutH: c.Dst.H, OutW: c.Dst.W, OutC: c.Dst.C,
		KernelH: c.KernelH, KernelW: c.KernelW, StrideH: c.StrideH, StrideW: c.StrideW, PadH: c.PadH, PadW: c.PadW,
		Type: libs.F32, Compute: d.math(), AsDefined: d.opts.Precision == Strict,
	}
	if half {
		s.Type = libs.BF16
	}
	return s
}
