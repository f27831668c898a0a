package nntest

import (
	"fmt"
	"math"
	"testing"

	"ringloom/nn/op"
)

// conv completes a convolution from its input, channels and window.
func conv(src op.Image, out, kh, kw, sh, sw, ph, pw int) op.Conv {
	return op.Conv{
		Src: src,
		Dst: op.Image{N: src.N, H: op.WindowOut(src.H, kh, sh, ph), W: op.WindowOut(src.W, kw, sw, pw), C: out},

		KernelH: kh, KernelW: kw, StrideH: sh, StrideW: sw, PadH: ph, PadW: pw,
	}
}

// square is conv with the same window on both axes.
func square(src op.Image, out, kernel, stride, pad int) op.Conv {
	return conv(src, out, kernel, kernel, stride, stride, pad, pad)
}

// within makes a convolution write to a range of channels of a wider image.
func within(c op.Conv, pitch int) op.Conv {
	c.Dst.Pitch = pitch
	return c
}

func withoutBias(c op.Conv) op.Conv {
	c.NoBias = true
	return c
}

func pool(src op.Image, kh, kw, sh, sw, ph, pw int) op.Pool {
	c := conv(src, src.C, kh, kw, sh, sw, ph, pw)
	return op.Pool{Src: c.Src, Dst: c.Dst, KernelH: kh, KernelW: kw, StrideH: sh, StrideW: sw, PadH: ph, PadW: pw}
}

func squarePool(src op.Image, kernel, stride, pad int) op.Pool {
	return pool(src, kernel, kernel, stride, stride, pad, pad)
}

// images is shorthand for a square image's shape.
func images(n, side, c int) op.Image { return op.Image{N: n, H: side, W: side, C: c} }

// Convolutions, linear layers and poolings of odd shapes, small enough to perturb every element.
var (
	smallConvs = []op.Conv{
		conv(op.Image{N: 2, H: 5, W: 6, C: 3}, 4, 3, 3, 1, 1, 1, 1),
		conv(op.Image{N: 3, H: 3, W: 2, C: 5}, 7, 1, 1, 1, 1, 0, 0),
		conv(op.Image{N: 1, H: 7, W: 8, C: 2}, 3, 3, 3, 2, 3, 0, 0),
		conv(op.Image{N: 2, H: 6, W: 6, C: 1}, 2, 3, 3, 2, 2, 1, 1), // a stride past the end
		conv(op.Image{N: 2, H: 4, W: 5, C: 2}, 3, 1, 3, 1, 1, 0, 1),
		conv(op.Image{N: 2, H: 4, W: 5, C: 2}, 3, 1, 3, 1, 1, 1, 1), // as googlenet-v3
		conv(op.Image{N: 1, H: 5, W: 3, C: 2}, 1, 3, 1, 1, 1, 0, 0),
		conv(op.Image{N: 2, H: 9, W: 7, C: 1}, 2, 5, 4, 3, 2, 2, 1),
		conv(op.Image{N: 2, H: 3, W: 4, C: 3}, 5, 3, 4, 1, 1, 0, 0), // the whole input
		conv(op.Image{N: 1, H: 2, W: 2, C: 2}, 2, 5, 5, 1, 1, 4, 4), // mostly padding
		conv(op.Image{N: 2, H: 5, W: 4, C: 2}, 3, 1, 1, 2, 2, 0, 0),
		within(conv(op.Image{N: 2, H: 4, W: 3, C: 3}, 4, 3, 3, 1, 1, 1, 1), 9),
		within(conv(op.Image{N: 1, H: 3, W: 3, C: 4}, 5, 1, 1, 1, 1, 0, 0), 6),
		withoutBias(within(conv(op.Image{N: 2, H: 5, W: 5, C: 2}, 3, 3, 3, 2, 2, 1, 1), 4)),
		withoutBias(conv(op.Image{N: 2, H: 3, W: 3, C: 4}, 2, 1, 1, 1, 1, 0, 0)),
	}
	smallLinears = []op.Linear{
		{Src: op.Image{N: 3, H: 1, W: 1, C: 7}, Out: 5},
		{Src: op.Image{N: 2, H: 2, W: 3, C: 4}, Out: 3},
		{Src: op.Image{N: 1, H: 1, W: 1, C: 9}, Out: 1},
		{Src: op.Image{N: 4, H: 1, W: 1, C: 1}, Out: 2},
	}
	smallPools = []op.Pool{
		pool(op.Image{N: 2, H: 4, W: 6, C: 3}, 2, 2, 2, 2, 0, 0),
		pool(op.Image{N: 1, H: 5, W: 7, C: 2}, 2, 2, 2, 2, 0, 0), // with a remainder
		pool(op.Image{N: 2, H: 5, W: 6, C: 2}, 3, 3, 2, 2, 1, 1),
		pool(op.Image{N: 2, H: 4, W: 4, C: 5}, 3, 3, 1, 1, 1, 1),
		pool(op.Image{N: 1, H: 4, W: 5, C: 1}, 3, 2, 1, 2, 0, 1),
		pool(op.Image{N: 2, H: 3, W: 4, C: 3}, 3, 4, 1, 1, 0, 0), // global
		pool(op.Image{N: 1, H: 6, W: 5, C: 2}, 2, 2, 3, 3, 0, 0), // pixels that no window sees
	}
	smallNorms = []op.Image{{N: 2, H: 3, W: 2, C: 3}, {N: 5, H: 1, W: 1, C: 2}, {N: 1, H: 4, W: 3, C: 1}}
	losses     = []op.SoftmaxCrossEntropyForward{
		{N: 1, C: 2}, {N: 3, C: 5}, {N: 7, C: 10}, {N: 3, C: 5, Smoothing: 0.1}, {N: 2, C: 7, Smoothing: 0.5}, {N: 64, C: 10, Smoothing: 0.1},
	}
)

// The layers of the course's networks, or enough of them, at a batch of one or two.
var (
	realConvs = []op.Conv{
		square(images(8, 28, 1), 6, 5, 1, 2), square(images(8, 14, 6), 16, 5, 1, 0), // lenet
		square(images(1, 224, 1), 96, 11, 4, 0), square(images(1, 26, 96), 256, 5, 1, 2), // alexnet, nin
		square(images(1, 12, 256), 384, 3, 1, 1), square(images(1, 12, 384), 256, 3, 1, 1),
		square(images(1, 54, 96), 96, 1, 1, 0), square(images(1, 5, 384), 10, 3, 1, 1), square(images(2, 5, 10), 10, 1, 1, 0),
		square(images(1, 96, 1), 64, 7, 2, 3), square(images(1, 24, 64), 64, 1, 1, 0), // googlenet
		square(images(1, 24, 64), 192, 3, 1, 1),
		within(square(images(2, 12, 192), 64, 1, 1, 0), 256), square(images(2, 12, 192), 96, 1, 1, 0),
		within(square(images(2, 12, 96), 128, 3, 1, 1), 256), square(images(2, 12, 192), 16, 1, 1, 0),
		within(square(images(2, 12, 16), 32, 5, 1, 2), 256),
		within(square(images(2, 6, 112), 224, 3, 1, 1), 512), square(images(2, 6, 512), 24, 1, 1, 0),
		within(square(images(2, 6, 24), 64, 5, 1, 2), 512),
		within(square(images(2, 3, 192), 384, 3, 1, 1), 1024), within(square(images(2, 3, 48), 128, 5, 1, 2), 1024),
		within(square(images(2, 3, 832), 128, 1, 1, 0), 1024),
		conv(images(2, 6, 24), 64, 1, 3, 1, 1, 1, 1), within(conv(op.Image{N: 2, H: 8, W: 6, C: 64}, 64, 3, 1, 1, 1, 0, 0), 512),
		withoutBias(square(images(2, 6, 480), 512, 1, 1, 0)),
		square(images(1, 96, 1), 4, 3, 1, 1), square(images(1, 48, 4), 8, 3, 1, 1), // vgg
		square(images(1, 96, 1), 64, 3, 1, 1), square(images(1, 24, 128), 256, 3, 1, 1),
	}
	realLinears = []op.Linear{
		{Src: images(8, 5, 16), Out: 120}, {Src: images(8, 1, 120), Out: 84}, {Src: images(8, 1, 84), Out: 10},
		{Src: images(4, 5, 256), Out: 512}, {Src: images(4, 1, 1024), Out: 10}, {Src: images(3, 3, 32), Out: 256},
	}
	realAvgPools = []op.Pool{squarePool(images(8, 28, 6), 2, 2, 0), squarePool(images(8, 3, 1024), 3, 1, 0), squarePool(images(2, 5, 10), 5, 1, 0)}
	realMaxPools = []op.Pool{
		squarePool(images(1, 54, 96), 3, 2, 0), squarePool(images(1, 48, 64), 3, 2, 1), squarePool(images(2, 6, 512), 3, 1, 1),
		squarePool(images(2, 12, 480), 3, 2, 1), squarePool(images(1, 48, 8), 2, 2, 0),
	}
	realNorms = []op.Image{images(2, 48, 64), images(2, 12, 256), images(4, 3, 1024)}
	lengths   = []int{1, 37, 4097}
)

// allLayerSpecs are the operations that have a shape; under -short without those of real sizes.
func allLayerSpecs() []op.Spec {
	all := layerSpecs(true)
	if !testing.Short() {
		all = append(all, layerSpecs(false)...)
	}
	return all
}

// allSpecs are all operations, with their flags.
func allSpecs() []op.Spec {
	all := allLayerSpecs()
	for _, n := range lengths {
		all = append(all, op.SigmoidForward{Len: n}, op.SigmoidBackward{Len: n}, op.ReLUForward{Len: n}, op.ReLUBackward{Len: n},
			op.Add{Len: n}, op.Add{Len: n, ReLU: true}, op.Dropout{Len: n, Rate: 0.5}, op.Dropout{Len: n, Rate: 0.3, Layer: 2, Mask: true},
			op.AdamUpdate{Len: n}, op.SGDUpdate{Len: n}, op.SGDUpdate{Len: n, Nesterov: true}, op.SumOfSquares{Len: n})
	}
	for _, s := range losses {
		all = append(all, s)
	}
	wide, narrow := op.Image{N: 2, H: 3, W: 4, C: 5, Pitch: 12}, op.Image{N: 2, H: 3, W: 4, C: 5}
	return append(all, op.ChannelCopy{Src: narrow, Dst: wide}, op.ChannelCopy{Src: wide, Dst: narrow}, op.ChannelCopy{Src: narrow, Dst: narrow})
}

// gathers are the combinations of a gradient's flags.
var gathers = []op.Gather{{}, {Accumulate: true}, {Mask: true}, {Accumulate: true, Mask: true}}

// layerSpecs are the operations that have a shape: the small ones with all flags, the real ones plain.
func layerSpecs(small bool) (all []op.Spec) {
	convs, linears, avg, most, norms, flags := realConvs, realLinears, realAvgPools, realMaxPools, realNorms, gathers[:1]
	if small {
		convs, linears, avg, most, norms, flags = smallConvs, smallLinears, smallPools, smallPools, smallNorms, gathers
	}
	for _, c := range convs {
		all = append(all, op.ConvForward{Conv: c}, op.ConvForward{Conv: c, ReLU: true}, op.ConvBackwardWeights{Conv: c})
		for _, g := range flags {
			all = append(all, op.ConvBackwardData{Conv: c, Gather: g})
		}
	}
	for _, l := range linears {
		all = append(all, op.LinearForward{Linear: l}, op.LinearForward{Linear: l, ReLU: true}, op.LinearBackwardWeights{Linear: l})
		for _, g := range flags {
			all = append(all, op.LinearBackwardData{Linear: l, Gather: g})
		}
	}
	for _, p := range avg {
		all = append(all, op.AvgPoolForward{Pool: p})
		for _, g := range flags {
			all = append(all, op.AvgPoolBackward{Pool: p, Gather: g})
		}
	}
	for _, p := range most {
		all = append(all, op.MaxPoolForward{Pool: p}, op.MaxPoolForward{Pool: p, Inference: true})
		for _, g := range flags {
			all = append(all, op.MaxPoolBackward{Pool: p, Gather: g})
		}
	}
	for _, i := range norms {
		n := i.N * i.H * i.W
		all = append(all, op.BatchNormMoments{Image: i}, op.BatchNormForward{Image: i, Count: n}, op.BatchNormForward{Image: i, Count: 2 * n, ReLU: true},
			op.BatchNormInference{Image: i}, op.BatchNormInference{Image: i, ReLU: true}, op.BatchNormBackwardSums{Image: i})
		for _, g := range flags {
			all = append(all, op.BatchNormBackward{Image: i, Gather: g})
		}
	}
	return all
}

// specName is a spec's kind, geometry and flags, for the name of a test.
func specName(spec op.Spec) string {
	name := spec.Kind() + " " + spec.String()
	flag := func(set bool, what string) {
		if set {
			name += ", " + what
		}
	}
	gather := func(g op.Gather) {
		flag(g.Accumulate, "accumulate")
		flag(g.Mask, "mask")
	}
	switch s := spec.(type) {
	case op.ConvForward:
		flag(s.NoBias, "no bias")
		flag(s.ReLU, "relu")
	case op.ConvBackwardData:
		gather(s.Gather)
	case op.ConvBackwardWeights:
		flag(s.NoBias, "no bias")
	case op.LinearForward:
		flag(s.ReLU, "relu")
	case op.LinearBackwardData:
		gather(s.Gather)
	case op.AvgPoolBackward:
		gather(s.Gather)
	case op.MaxPoolForward:
		flag(s.Inference, "inference")
	case op.MaxPoolBackward:
		gather(s.Gather)
	case op.Add:
		flag(s.ReLU, "relu")
	case op.Dropout:
		flag(s.Mask, "mask")
	case op.BatchNormForward:
		name += fmt.Sprintf(", count %d", s.Count)
		flag(s.ReLU, "relu")
	case op.BatchNormInference:
		flag(true, "inference")
		flag(s.ReLU, "relu")
	case op.BatchNormBackward:
		gather(s.Gather)
	case op.SoftmaxCrossEntropyForward:
		flag(s.Smoothing != 0, fmt.Sprintf("smoothing %v", s.Smoothing))
	case op.SGDUpdate:
		flag(s.Nesterov, "nesterov")
	}
	return name
}

func rms(v []float32) float64 {
	square := 0.0
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	return math.Sqrt(square) / math.Sqrt(float64(len(v)))
}
