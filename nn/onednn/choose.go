package onednn

import "ringloom/nn"

// way is how a convolution or a pooling is computed.
type way int

const (
	// nhwc is oneDNN on the operands as they are.
	nhwc way = iota
	// blocked is oneDNN in the activation layout that it prefers, with reorders around it.
	blocked
	// grey is this package's convolution of one channel to 6 (grey_forward.c).
	grey
	// narrow is this package's convolution of 6 channels to 16 (narrow_forward.c).
	narrow
	// halve is this package's 2x2 pooling of few channels (halve.c).
	halve
)

func (w way) String() string {
	return [...]string{"nhwc", "blocked", "grey", "narrow", "halve"}[w]
}

// The rules look at shapes and the instruction set only, so that ranks on machines of one kind agree.

// choose is the way for an operation; nhwc for those that have only one.
func choose(spec nn.Spec, avx512 bool) way {
	switch s := spec.(type) {
	case nn.ConvForward:
		return chooseConv(s.Conv, avx512)
	case nn.ConvBackwardData:
		if w := chooseConv(s.Conv, avx512); w != grey {
			return w
		}
		// Nothing trains an image's pixels: the grey convolution has no such kernel.
		return nhwc
	case nn.ConvBackwardWeights:
		return chooseConv(s.Conv, avx512)
	case nn.AvgPoolForward:
		return choosePool(s.Pool, avx512)
	case nn.AvgPoolBackward:
		return choosePool(s.Pool, avx512)
	}
	return nhwc
}

// chooseConv is the way for a convolution's forward pass and both of its gradients.
func chooseConv(c nn.Conv, avx512 bool) way {
	switch {
	case avx512 && greyFits(c):
		return grey
	case avx512 && narrowFits(c):
		return narrow
	}
	return nhwc
}

// greyFits: stride 1, one channel to 6, a window 5 wide.
func greyFits(c nn.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.Src.C == 1 && c.Dst.C == 6 && c.KernelW == 5 && c.Dst.H >= 2
}

// narrowFits: stride 1, no padding, 6 channels to 16, a window 5 wide, rows of a multiple of 10 pixels.
func narrowFits(c nn.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.PadH == 0 && c.PadW == 0 && c.Src.C == 6 && c.Dst.C == 16 &&
		c.KernelW == 5 && c.Dst.W%10 == 0 && c.Dst.H >= 2
}

// choosePool is the way for an average pooling and its gradient.
func choosePool(p nn.Pool, avx512 bool) way {
	if avx512 && halveFits(p) {
		return halve
	}
	return nhwc
}

// halveFits: 2x2 windows that tile the image exactly, at most 16 channels.
func halveFits(p nn.Pool) bool {
	return p.KernelH == 2 && p.KernelW == 2 && p.StrideH == 2 && p.StrideW == 2 && p.PadH == 0 && p.PadW == 0 &&
		p.Src.H == 2*p.Dst.H && p.Src.W == 2*p.Dst.W && p.Src.C <= 16
}
