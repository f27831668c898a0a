package onednn

import (
	"slices"

	"ringloom/nn/op"
)

// The rules look at shapes and the instruction set only, so that ranks on machines of one kind agree.

// rules say what an algorithm may be chosen from.
type rules struct {
	avx512 bool // the processor has it
	strict bool // sums as they are defined: Options.Strict
}

// choose is the algorithm that Compile takes: one of the candidates.
func (r rules) choose(spec op.Spec) algorithm {
	all := r.candidates(spec)
	if r.strict && longSums(spec) {
		return blocked
	}
	switch s := spec.(type) {
	case op.LinearForward:
		if r.strict { // half the error of direct in the last layer
			return flat
		}
		return chooseLinear(s.Linear)
	case op.LinearBackwardData, op.LinearBackwardWeights:
		return flat
	}
	switch last := all[len(all)-1]; last {
	case conv5x5C1, conv5x5C6, avgPool2x2:
		// They exist for the shapes that oneDNN pads most, and take no others.
		return last
	}
	if r.avx512 && smallChannelsFaster(spec) {
		return convSmallChannels
	}
	return chooseGEMM(spec, all)
}

// longSums says that a convolution's results are sums of so many products that their order shows: oneDNN's blocked
// layout adds up parts of them, and is off by 1.7e-7 to 3.5e-7 (relative L2) at 3x3 and 5x5 windows of 96 to 384
// channels, direct by 6e-7 to 1.4e-6. The weights' gradient is better by direct, 1.4e-7 beside 4e-7.
func longSums(spec op.Spec) bool {
	c, pass := convolution(spec)
	const short, window = 256, 2
	switch {
	case c.KernelH < window && c.KernelW < window:
		return false
	case pass == forward:
		return c.Src.C*c.KernelH*c.KernelW >= short
	case pass == backwardData:
		return c.Dst.C*c.KernelH*c.KernelW >= short
	}
	return false
}

// chooseLinear is flat, at batches of 16 and 256, from 1.2 times as fast for LeNet's second layer to 2.2 times for
// AlexNet's; only the last layer, of a few outputs, is 2.6 times as fast in oneDNN's own layout of weights. For the
// gradients flat is never slower by more than a tenth.
func chooseLinear(l op.Linear) algorithm {
	const vector = 16
	if l.Out < vector {
		return direct
	}
	return flat
}

// candidates are the valid algorithms of an operation, direct first.
func (r rules) candidates(spec op.Spec) []algorithm {
	avx512 := r.avx512
	var gemm []algorithm
	if avx512 {
		gemm = slices.DeleteFunc(gemmCandidates(spec), func(a algorithm) bool { return r.strict && a.winograd() })
		if smallChannelsFit(spec) {
			gemm = append(gemm, convSmallChannels)
		}
	}
	switch s := spec.(type) {
	case op.ConvForward:
		return convCandidates(s.Conv, gemm, avx512 && !s.ReLU, conv5x5C1, conv5x5C6)
	case op.ConvBackwardData:
		// Nothing trains an image's pixels: the convolution of one channel has no such kernel.
		return convCandidates(s.Conv, gemm, avx512 && s.Gather == op.Gather{}, conv5x5C6)
	case op.ConvBackwardWeights:
		return convCandidates(s.Conv, gemm, avx512, conv5x5C1, conv5x5C6)
	case op.LinearForward, op.LinearBackwardData, op.LinearBackwardWeights:
		return []algorithm{direct, flat}
	case op.AvgPoolForward:
		return poolCandidates(s.Pool, avx512)
	case op.AvgPoolBackward:
		return poolCandidates(s.Pool, avx512 && s.Gather == op.Gather{})
	}
	return []algorithm{direct}
}

// convCandidates are those of a convolution's forward pass or of one of its gradients. fixed are the kernels of
// this package for one shape; they are for AVX-512, know no fusion, and want a bias and a dense result.
func convCandidates(c op.Conv, others []algorithm, plain bool, fixed ...algorithm) []algorithm {
	all := append([]algorithm{direct, blocked}, others...)
	if !plain || c.NoBias || c.Dst.PixelPitch() != c.Dst.C {
		return all
	}
	for _, a := range fixed {
		if a == conv5x5C1 && conv5x5C1Fits(c) || a == conv5x5C6 && conv5x5C6Fits(c) {
			all = append(all, a)
		}
	}
	return all
}

// conv5x5C1Fits: stride 1, one channel to 6, a window 5 wide.
func conv5x5C1Fits(c op.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.Src.C == 1 && c.Dst.C == 6 && c.KernelW == 5 && c.Dst.H >= 2
}

// conv5x5C6Fits: stride 1, no padding, 6 channels to 16, a window 5 wide, rows of a multiple of 10 pixels.
func conv5x5C6Fits(c op.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.PadH == 0 && c.PadW == 0 && c.Src.C == 6 && c.Dst.C == 16 &&
		c.KernelW == 5 && c.Dst.W%10 == 0 && c.Dst.H >= 2
}

// poolCandidates are those of an average pooling or of its gradient.
func poolCandidates(p op.Pool, plain bool) []algorithm {
	if plain && avgPool2x2Fits(p) {
		return []algorithm{direct, avgPool2x2}
	}
	return []algorithm{direct}
}

// avgPool2x2Fits: 2x2 windows that tile the image exactly, at most 16 channels.
func avgPool2x2Fits(p op.Pool) bool {
	return p.KernelH == 2 && p.KernelW == 2 && p.StrideH == 2 && p.StrideW == 2 && p.PadH == 0 && p.PadW == 0 &&
		p.Src.H == 2*p.Dst.H && p.Src.W == 2*p.Dst.W && p.Src.C <= 16
}
