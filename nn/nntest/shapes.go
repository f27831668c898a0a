package nntest

import "ringloom/nn"

// conv completes a convolution from its input, channels and window.
func conv(src nn.Image, out, kh, kw, sh, sw, ph, pw int) nn.Conv {
	return nn.Conv{
		Src: src,
		Dst: nn.Image{N: src.N, H: nn.WindowOut(src.H, kh, sh, ph), W: nn.WindowOut(src.W, kw, sw, pw), C: out},

		KernelH: kh, KernelW: kw, StrideH: sh, StrideW: sw, PadH: ph, PadW: pw,
	}
}

func pool(src nn.Image, kh, kw, sh, sw, ph, pw int) nn.Pool {
	c := conv(src, src.C, kh, kw, sh, sw, ph, pw)
	return nn.Pool{Src: c.Src, Dst: c.Dst, KernelH: kh, KernelW: kw, StrideH: sh, StrideW: sw, PadH: ph, PadW: pw}
}

// layer is a differentiable operation: the forward spec and the specs that give the gradients of its operands.
type layer struct {
	name    string
	forward nn.Spec
	// data gives the gradient of the first operand.
	data nn.Spec
	// weights gives the gradients of the second and third operands; nil where there are none.
	weights nn.Spec
	// fromOutput is set where data's second operand is the forward result (sigmoid), not the weights.
	fromOutput bool
}

func convLayer(name string, c nn.Conv) layer {
	return layer{name: "conv " + name, forward: nn.ConvForward{Conv: c}, data: nn.ConvBackwardData{Conv: c}, weights: nn.ConvBackwardWeights{Conv: c}}
}

func linearLayer(name string, l nn.Linear) layer {
	return layer{name: "linear " + name, forward: nn.LinearForward{Linear: l}, data: nn.LinearBackwardData{Linear: l}, weights: nn.LinearBackwardWeights{Linear: l}}
}

func poolLayer(name string, p nn.Pool) layer {
	return layer{name: "avgpool " + name, forward: nn.AvgPoolForward{Pool: p}, data: nn.AvgPoolBackward{Pool: p}}
}

func sigmoidLayer(name string, n int) layer {
	return layer{name: "sigmoid " + name, forward: nn.SigmoidForward{Len: n}, data: nn.SigmoidBackward{Len: n}, fromOutput: true}
}

// smallLayers are odd shapes, small enough to perturb every element.
func smallLayers() []layer {
	return []layer{
		convLayer("3x3 padded", conv(nn.Image{N: 2, H: 5, W: 6, C: 3}, 4, 3, 3, 1, 1, 1, 1)),
		convLayer("1x1", conv(nn.Image{N: 3, H: 3, W: 2, C: 5}, 7, 1, 1, 1, 1, 0, 0)),
		convLayer("strided", conv(nn.Image{N: 1, H: 7, W: 8, C: 2}, 3, 3, 3, 2, 3, 0, 0)),
		convLayer("stride past the end", conv(nn.Image{N: 2, H: 6, W: 6, C: 1}, 2, 3, 3, 2, 2, 1, 1)),
		convLayer("1x3, padded on both axes by its own", conv(nn.Image{N: 2, H: 4, W: 5, C: 2}, 3, 1, 3, 1, 1, 0, 1)),
		convLayer("3x1", conv(nn.Image{N: 1, H: 5, W: 3, C: 2}, 1, 3, 1, 1, 1, 0, 0)),
		convLayer("5x4, uneven strides and padding", conv(nn.Image{N: 2, H: 9, W: 7, C: 1}, 2, 5, 4, 3, 2, 2, 1)),
		convLayer("the whole input", conv(nn.Image{N: 2, H: 3, W: 4, C: 3}, 5, 3, 4, 1, 1, 0, 0)),
		convLayer("wide padding", conv(nn.Image{N: 1, H: 2, W: 2, C: 2}, 2, 5, 5, 1, 1, 4, 4)),
		linearLayer("matrix", nn.Linear{Src: nn.Image{N: 3, H: 1, W: 1, C: 7}, Out: 5}),
		linearLayer("image", nn.Linear{Src: nn.Image{N: 2, H: 2, W: 3, C: 4}, Out: 3}),
		linearLayer("one sample, one output", nn.Linear{Src: nn.Image{N: 1, H: 1, W: 1, C: 9}, Out: 1}),
		linearLayer("one input", nn.Linear{Src: nn.Image{N: 4, H: 1, W: 1, C: 1}, Out: 2}),
		poolLayer("2/2", pool(nn.Image{N: 2, H: 4, W: 6, C: 3}, 2, 2, 2, 2, 0, 0)),
		poolLayer("2/2 with a remainder", pool(nn.Image{N: 1, H: 5, W: 7, C: 2}, 2, 2, 2, 2, 0, 0)),
		poolLayer("overlapping 3/2, padded", pool(nn.Image{N: 2, H: 5, W: 6, C: 2}, 3, 3, 2, 2, 1, 1)),
		poolLayer("3x2, strides 1 and 2", pool(nn.Image{N: 1, H: 4, W: 5, C: 1}, 3, 2, 1, 2, 0, 1)),
		poolLayer("global", pool(nn.Image{N: 2, H: 3, W: 4, C: 3}, 3, 4, 1, 1, 0, 0)),
		sigmoidLayer("of 1", 1),
		sigmoidLayer("of 37", 37),
	}
}

// realLayers are lenet's own, and a few shapes with channels as wide as later models have.
func realLayers() []layer {
	return []layer{
		convLayer("lenet 1", conv(nn.Image{N: 8, H: 28, W: 28, C: 1}, 6, 5, 5, 1, 1, 2, 2)),
		convLayer("lenet 2", conv(nn.Image{N: 8, H: 14, W: 14, C: 6}, 16, 5, 5, 1, 1, 0, 0)),
		convLayer("wide 3x3", conv(nn.Image{N: 2, H: 12, W: 12, C: 32}, 48, 3, 3, 1, 1, 1, 1)),
		convLayer("wide 1x1", conv(nn.Image{N: 2, H: 6, W: 6, C: 64}, 32, 1, 1, 1, 1, 0, 0)),
		convLayer("11x11 stride 4", conv(nn.Image{N: 1, H: 47, W: 47, C: 1}, 16, 11, 11, 4, 4, 0, 0)),
		linearLayer("lenet 1", nn.Linear{Src: nn.Image{N: 8, H: 5, W: 5, C: 16}, Out: 120}),
		linearLayer("lenet 2", nn.Linear{Src: nn.Image{N: 8, H: 1, W: 1, C: 120}, Out: 84}),
		linearLayer("lenet 3", nn.Linear{Src: nn.Image{N: 8, H: 1, W: 1, C: 84}, Out: 10}),
		poolLayer("lenet 1", pool(nn.Image{N: 8, H: 28, W: 28, C: 6}, 2, 2, 2, 2, 0, 0)),
		poolLayer("wide 3/2 padded", pool(nn.Image{N: 2, H: 13, W: 13, C: 64}, 3, 3, 2, 2, 1, 1)),
		sigmoidLayer("lenet 1", 8*28*28*6),
	}
}

var losses = []nn.SoftmaxCrossEntropyForward{{N: 1, C: 2}, {N: 3, C: 5}, {N: 7, C: 10}, {N: 64, C: 10}}
