//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

// unary is a kernel y, x, n.
func unary(name string, n int) simple {
	return func(e *emitter, o operands) {
		e.launch(name+suffix(o.dst[0].Half), e.device.elementwise(n), o.dst[0].Device, o.src[0].Device, int64(n))
	}
}

// pairwise is a kernel y, a, b, n.
func pairwise(name string, n int) simple {
	return func(e *emitter, o operands) {
		e.launch(name+suffix(o.dst[0].Half), e.device.elementwise(n), o.dst[0].Device, o.src[0].Device, o.src[1].Device, int64(n))
	}
}

func sigmoidForward(s op.SigmoidForward) simple   { return unary("sigmoid", s.Len) }
func sigmoidBackward(s op.SigmoidBackward) simple { return pairwise("sigmoid_backward", s.Len) }
func reluForward(s op.ReLUForward) simple         { return unary("relu", s.Len) }
func reluBackward(s op.ReLUBackward) simple       { return pairwise("relu_backward", s.Len) }

func add(s op.Add) simple {
	return func(e *emitter, o operands) {
		e.launch("add"+suffix(o.dst[0].Half), e.device.elementwise(s.Len),
			o.dst[0].Device, o.src[0].Device, o.src[1].Device, int64(s.Len), flag(s.ReLU))
	}
}

func dropout(s op.Dropout) simple {
	return func(e *emitter, o operands) {
		e.launch("dropout"+suffix(o.dst[0].Half), e.device.elementwise(s.Len), o.dst[0].Device, o.src[0].Device, o.src[1].Device,
			o.mask(s.Mask), int64(s.Len), 1/(1-s.Rate), op.DropoutThreshold(s.Rate), s.Layer)
	}
}

func channelCopy(s op.ChannelCopy) simple {
	return func(e *emitter, o operands) {
		e.copyChannels(o.dst[0].Half, s.Dst, o.dst[0].Device, s.Src, o.src[0].Device)
	}
}

// copyChannels copies an image to one of another pitch.
func (e *emitter) copyChannels(half bool, dst op.Image, y uintptr, src op.Image, x uintptr) {
	e.launch("copy_channels"+suffix(half), e.channels(dst),
		y, int32(dst.PixelPitch()), x, int32(src.PixelPitch()), pixels(dst), int32(dst.C))
}

func softmaxCrossEntropy(s op.SoftmaxCrossEntropyForward) simple {
	return func(e *emitter, o operands) {
		e.launch("softmax_loss"+suffix(o.dst[1].Half), kernels.SoftmaxLoss(), o.dst[0].Device, o.dst[1].Device,
			o.src[0].Device, o.src[1].Device, o.src[2].Device, int32(s.N), int32(s.C), s.Smoothing)
	}
}
