package onednn

import "ringloom/nn/op"

// The convolutions of few channels (conv_small_channels.h): every flag and pitch, AVX-512.

// smallChannelsFit says which operations they take. The limits keep a row of the input, split into planes, and the sums
// of the weights' gradient in a core's cache. Backward data has no stride; the forward pass has a horizontal one of one
// channel.
func smallChannelsFit(spec op.Spec) bool {
	c, pass := convolution(spec)
	if pass == noConvolution || c.Src.C > 64 || c.Dst.C > 128 || c.KernelH > 16 || c.KernelW > 16 {
		return false
	}
	switch pass {
	case forward:
		return c.StrideW == 1 || c.Src.C == 1
	case backwardData:
		return c.StrideH == 1 && c.StrideW == 1
	}
	return true
}

// smallChannelsFaster is a rule from measurements: where they beat oneDNN, which pads channels to 16.
func smallChannelsFaster(spec op.Spec) bool {
	if !smallChannelsFit(spec) {
		return false
	}
	c, pass := convolution(spec)
	if c.KernelH == 1 && c.KernelW == 1 {
		return false
	}
	switch pass {
	case forward:
		return c.StrideW == 1 && (c.Src.C == 1 || c.Src.C <= 16 && fastLanes(c.Dst, c.KernelW))
	case backwardData:
		return c.Dst.C <= 64 && fastLanes(c.Src, c.KernelW)
	}
	return c.Src.C == 1 || c.Src.C <= 16 && c.Dst.C <= 32
}

// fastLanes says whether the kernels for so many channels of a result are fast ones.
func fastLanes(result op.Image, kernelW int) bool {
	return result.C == 4 || result.C == 8 || result.C > 8 && result.C <= 16 && kernelW%3 == 0
}
