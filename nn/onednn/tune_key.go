package onednn

import (
	"strings"

	"ringloom/nn/op"
)

// tuneKey names what a choice of algorithm holds for: the operation at its geometry, whatever the batch and whatever is
// fused to it, so that an uneven last batch is computed as the others are.
func tuneKey(spec op.Spec) string {
	one := atBatch(spec, 1)
	key := one.Kind() + " " + one.String()
	if c, pass := convolution(one); pass != noConvolution && c.NoBias {
		key += ", no bias"
	}
	return key
}

// atBatch is a convolution or a linear layer at a batch of at most n; other operations as they are.
func atBatch(spec op.Spec, n int) op.Spec {
	conv := func(c op.Conv) op.Conv {
		c.Src.N, c.Dst.N = min(c.Src.N, n), min(c.Dst.N, n)
		return c
	}
	linear := func(l op.Linear) op.Linear {
		l.Src.N = min(l.Src.N, n)
		return l
	}
	switch s := spec.(type) {
	case op.ConvForward:
		s.Conv = conv(s.Conv)
		return s
	case op.ConvBackwardData:
		s.Conv = conv(s.Conv)
		return s
	case op.ConvBackwardWeights:
		s.Conv = conv(s.Conv)
		return s
	case op.LinearForward:
		s.Linear = linear(s.Linear)
		return s
	case op.LinearBackwardData:
		s.Linear = linear(s.Linear)
		return s
	case op.LinearBackwardWeights:
		s.Linear = linear(s.Linear)
		return s
	}
	return spec
}

// cleanName is a processor's name as CPUID gives it, without its padding.
func cleanName(name string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(name, "\x00", " ")), " ")
}
