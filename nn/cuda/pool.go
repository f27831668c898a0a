//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

// poolArgs mirrors struct pool of the kernels.
type poolArgs struct{ n, h, w, c, oh, ow, kh, kw, sh, sw, ph, pw int32 }

func argsOf(p op.Pool) poolArgs {
	return poolArgs{
		int32(p.Src.N), int32(p.Src.H), int32(p.Src.W), int32(p.Src.C), int32(p.Dst.H), int32(p.Dst.W),
		int32(p.KernelH), int32(p.KernelW), int32(p.StrideH), int32(p.StrideW), int32(p.PadH), int32(p.PadW),
	}
}

// over is the launch of a thread for each few elements of an image.
func (e *emitter) over(i op.Image) kernels.Launch {
	return kernels.Pool(int64(i.N)*int64(i.H), i.W, i.C, e.device.info.Multiprocessors)
}

func avgPoolForward(s op.AvgPoolForward) simple {
	return func(e *emitter, o operands) {
		e.launch("avgpool"+suffix(o.dst[0].Half), e.over(s.Dst), o.dst[0].Device, o.src[0].Device, argsOf(s.Pool))
	}
}

func avgPoolBackward(s op.AvgPoolBackward) simple {
	return func(e *emitter, o operands) {
		e.launch("avgpool_backward"+suffix(o.dst[0].Half), e.over(s.Src),
			o.dst[0].Device, o.src[0].Device, o.mask(s.Mask), flag(s.Accumulate), argsOf(s.Pool))
	}
}

func maxPoolForward(s op.MaxPoolForward) simple {
	return func(e *emitter, o operands) {
		var where uintptr
		if !s.Inference {
			where = o.dst[1].Device
		}
		e.launch("maxpool"+suffix(o.dst[0].Half), e.over(s.Dst), o.dst[0].Device, where, o.src[0].Device, argsOf(s.Pool))
	}
}

func maxPoolBackward(s op.MaxPoolBackward) simple {
	return func(e *emitter, o operands) {
		e.launch("maxpool_backward"+suffix(o.dst[0].Half), e.over(s.Src),
			o.dst[0].Device, o.src[0].Device, o.src[1].Device, o.mask(s.Mask), flag(s.Accumulate), argsOf(s.Pool))
	}
}
