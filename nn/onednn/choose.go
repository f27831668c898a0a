package onednn

import "ringloom/nn/op"

// way is how an operation is computed.
type way int

const (
	// direct is the way that takes every shape: oneDNN on the operands as they are, or the only kernel there is.
	direct way = iota
	// blocked is oneDNN's convolution in the activation layout that it prefers, with reorders around it.
	blocked
	// flat is oneDNN's inner product on the weights as they are, with the activations reordered to them.
	flat
	// grey is this package's convolution of one channel to 6 (grey_forward.c).
	grey
	// narrow is this package's convolution of 6 channels to 16 (narrow_forward.c).
	narrow
	// halve is this package's 2x2 average pooling of few channels (halve.c).
	halve
	// pointwise is this package's 1x1 convolution (pointwise.c).
	pointwise
	// winograd2 to winograd6 are this package's Winograd convolutions, named by the side of a tile of results
	// (winograd_tiles.c).
	winograd2
	winograd3
	winograd4
	winograd6
	// few is this package's convolution of few channels (few_forward.c).
	few

	ways // the number of ways
)

func (w way) String() string {
	return [...]string{"direct", "blocked", "flat", "grey", "narrow", "halve",
		"pointwise", "winograd2", "winograd3", "winograd4", "winograd6", "few"}[w]
}

// The rules look at shapes and the instruction set only, so that ranks on machines of one kind agree.

// choose is the way that Compile takes: one of the candidates.
func choose(spec op.Spec, avx512 bool) way {
	all := candidates(spec, avx512)
	switch s := spec.(type) {
	case op.LinearForward:
		return chooseLinear(s.Linear)
	case op.LinearBackwardData, op.LinearBackwardWeights:
		return flat
	}
	switch last := all[len(all)-1]; last {
	case grey, narrow, halve:
		// They exist for the shapes that oneDNN pads most, and take no others.
		return last
	}
	if avx512 && fewFaster(spec) {
		return few
	}
	if avx512 {
		return chooseFast(spec)
	}
	return direct
}

// chooseLinear is flat, at batches of 16 and 256, from 1.2 times as fast for LeNet's second layer to 2.2 times for
// AlexNet's; only the last layer, of a few outputs, is 2.6 times as fast in oneDNN's own layout of weights. For the
// gradients flat is never slower by more than a tenth.
func chooseLinear(l op.Linear) way {
	const vector = 16
	if l.Out < vector {
		return direct
	}
	return flat
}

// candidates are the valid ways to compute an operation, direct first.
func candidates(spec op.Spec, avx512 bool) []way {
	var fast []way
	if avx512 {
		fast = fastCandidates(spec)
		if fewFits(spec) {
			fast = append(fast, few)
		}
	}
	switch s := spec.(type) {
	case op.ConvForward:
		return convCandidates(s.Conv, fast, avx512 && !s.ReLU, grey, narrow)
	case op.ConvBackwardData:
		// Nothing trains an image's pixels: the grey convolution has no such kernel.
		return convCandidates(s.Conv, fast, avx512 && s.Gather == op.Gather{}, narrow)
	case op.ConvBackwardWeights:
		return convCandidates(s.Conv, fast, avx512, grey, narrow)
	case op.LinearForward, op.LinearBackwardData, op.LinearBackwardWeights:
		return []way{direct, flat}
	case op.AvgPoolForward:
		return poolCandidates(s.Pool, avx512)
	case op.AvgPoolBackward:
		return poolCandidates(s.Pool, avx512 && s.Gather == op.Gather{})
	}
	return []way{direct}
}

// convCandidates are those of a convolution's forward pass or of one of its gradients. own are the kernels of this
// package for one shape that it has; they are for AVX-512, know no fusion, and want a bias and a dense result.
func convCandidates(c op.Conv, fast []way, plain bool, own ...way) []way {
	all := append([]way{direct, blocked}, fast...)
	if !plain || c.NoBias || c.Dst.PixelPitch() != c.Dst.C {
		return all
	}
	for _, w := range own {
		if w == grey && greyFits(c) || w == narrow && narrowFits(c) {
			all = append(all, w)
		}
	}
	return all
}

// greyFits: stride 1, one channel to 6, a window 5 wide.
func greyFits(c op.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.Src.C == 1 && c.Dst.C == 6 && c.KernelW == 5 && c.Dst.H >= 2
}

// narrowFits: stride 1, no padding, 6 channels to 16, a window 5 wide, rows of a multiple of 10 pixels.
func narrowFits(c op.Conv) bool {
	return c.StrideH == 1 && c.StrideW == 1 && c.PadH == 0 && c.PadW == 0 && c.Src.C == 6 && c.Dst.C == 16 &&
		c.KernelW == 5 && c.Dst.W%10 == 0 && c.Dst.H >= 2
}

// poolCandidates are those of an average pooling or of its gradient.
func poolCandidates(p op.Pool, plain bool) []way {
	if plain && halveFits(p) {
		return []way{direct, halve}
	}
	return []way{direct}
}

// halveFits: 2x2 windows that tile the image exactly, at most 16 channels.
func halveFits(p op.Pool) bool {
	return p.KernelH == 2 && p.KernelW == 2 && p.StrideH == 2 && p.StrideW == 2 && p.PadH == 0 && p.PadW == 0 &&
		p.Src.H == 2*p.Dst.H && p.Src.W == 2*p.Dst.W && p.Src.C <= 16
}
