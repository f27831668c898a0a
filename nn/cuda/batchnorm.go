//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

type (
	batchNormMoments      struct{ op.BatchNormMoments }
	batchNormBackwardSums struct{ op.BatchNormBackwardSums }
)

func (e *emitter) channels(i op.Image) kernels.Launch {
	return kernels.Channels(pixels(i), i.C, e.device.info.Multiprocessors)
}

func (s batchNormMoments) needs(d *Device, _ operands) (n needs, err error) {
	n.columnSums(d, s.Image)
	return n, nil
}

func (s batchNormMoments) emit(e *emitter, o operands) error {
	l, parts := kernels.ColumnSums(pixels(s.Image), s.C, e.device.info.Multiprocessors)
	partial := e.scratch(scratchSums)
	e.launch("bn_moments"+suffix(o.src[0].Half), l, partial, o.src[0].Device, pixels(s.Image), int32(s.C))
	e.launch("bn_moments_finish", kernels.Finish(parts, s.C), o.dst[0].Device, partial, int32(parts), pixels(s.Image), int32(s.C))
	return nil
}

func batchNormForward(s op.BatchNormForward) simple {
	return func(e *emitter, o operands) {
		e.launch("bn_forward"+suffix(o.dst[0].Half), e.channels(s.Image), o.dst[0].Device, o.dst[1].Device, o.src[0].Device,
			o.src[1].Device, o.src[2].Device, o.src[3].Device, pixels(s.Image), int32(s.C), int64(s.Count), flag(s.ReLU))
	}
}

func batchNormInference(s op.BatchNormInference) simple {
	return func(e *emitter, o operands) {
		e.launch("bn_inference"+suffix(o.dst[0].Half), e.channels(s.Image), o.dst[0].Device, o.src[0].Device,
			o.src[1].Device, o.src[2].Device, o.src[3].Device, pixels(s.Image), int32(s.C), flag(s.ReLU))
	}
}

func (s batchNormBackwardSums) needs(d *Device, _ operands) (n needs, err error) {
	n.columnSums(d, s.Image)
	return n, nil
}

func (s batchNormBackwardSums) emit(e *emitter, o operands) error {
	l, parts := kernels.ColumnSums(pixels(s.Image), s.C, e.device.info.Multiprocessors)
	partial := e.scratch(scratchSums)
	e.launch("bn_sums"+suffix(o.src[0].Half), l, partial, o.src[0].Device, o.src[1].Device, o.src[2].Device, pixels(s.Image), int32(s.C))
	e.launch("bn_sums_finish", kernels.Finish(parts, s.C), o.dst[0].Device, o.dst[1].Device, o.dst[2].Device, partial,
		int32(parts), pixels(s.Image), int32(s.C))
	return nil
}

func batchNormBackward(s op.BatchNormBackward) simple {
	return func(e *emitter, o operands) {
		e.launch("bn_backward"+suffix(o.dst[0].Half), e.channels(s.Image), o.dst[0].Device, o.src[0].Device, o.src[1].Device,
			o.src[2].Device, o.src[3].Device, o.src[4].Device, o.mask(s.Mask), flag(s.Accumulate), pixels(s.Image), int32(s.C))
	}
}
