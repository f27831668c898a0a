//go:build onednn && cgo

package onednn

// #include "kernel.h"
import "C"

import "ringloom/nn/op"

func (d *Device) convForward(s op.ConvForward, a algorithm, out **C.rl_kernel) C.int {
	c := convWindow(s.Conv)
	c.relu = flag(s.ReLU)
	switch a {
	case conv5x5C1:
		return C.rl_conv_5x5_c1_forward(&d.c, c, out)
	case conv5x5C6:
		return C.rl_conv_5x5_c6_forward(&d.c, c, out)
	}
	return C.rl_plan_conv(&d.c, c, layout(a), C.RL_FORWARD, out)
}

func (d *Device) convBackwardData(s op.ConvBackwardData, a algorithm, out **C.rl_kernel) C.int {
	c := convWindow(s.Conv)
	c.accumulate, c.mask = flag(s.Accumulate), flag(s.Mask)
	if a == conv5x5C6 {
		return C.rl_conv_5x5_c6_backward_data(&d.c, c, out)
	}
	return C.rl_plan_conv(&d.c, c, layout(a), C.RL_BACKWARD_DATA, out)
}

func (d *Device) convBackwardWeights(s op.ConvBackwardWeights, a algorithm, out **C.rl_kernel) C.int {
	c := convWindow(s.Conv)
	switch a {
	case conv5x5C1:
		return C.rl_conv_5x5_c1_backward_weights(&d.c, c, out)
	case conv5x5C6:
		return C.rl_conv_5x5_c6_backward_weights(&d.c, c, out)
	}
	return C.rl_plan_conv(&d.c, c, layout(a), C.RL_BACKWARD_WEIGHTS, out)
}

// layout is the one that a algorithm of oneDNN's works in.
func layout(a algorithm) C.int {
	switch a {
	case blocked:
		return C.RL_BLOCKED
	case flat:
		return C.RL_FLAT
	}
	return C.RL_NHWC
}

func flag(set bool) C.int { return either(set, 1, 0) }

func either(set bool, yes, no C.int) C.int {
	if set {
		return yes
	}
	return no
}

func convWindow(c op.Conv) C.rl_window {
	w := window(c.Src, c.Dst, c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
	w.no_bias = flag(c.NoBias)
	return w
}

func poolWindow(p op.Pool, g op.Gather) C.rl_window {
	w := window(p.Src, p.Dst, p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
	w.accumulate, w.mask = flag(g.Accumulate), flag(g.Mask)
	return w
}

func window(src, dst op.Image, kh, kw, sh, sw, ph, pw int) C.rl_window {
	return C.rl_window{
		n: C.int(src.N), ih: C.int(src.H), iw: C.int(src.W), ic: C.int(src.C),
		oh: C.int(dst.H), ow: C.int(dst.W), oc: C.int(dst.C),
		kh: C.int(kh), kw: C.int(kw), sh: C.int(sh), sw: C.int(sw), ph: C.int(ph), pw: C.int(pw),
		pitch: C.int(dst.PixelPitch()),
	}
}

func linear(l op.Linear) C.rl_linear {
	return C.rl_linear{n: C.int(l.Src.N), h: C.int(l.Src.H), w: C.int(l.Src.W), c: C.int(l.Src.C), out: C.int(l.Out)}
}

func norm(i op.Image) C.rl_norm {
	return C.rl_norm{pixels: C.int64_t(i.N * i.H * i.W), channels: C.int(i.C)}
}
