//go:build onednn && cgo

package onednn

// #include "kernel.h"
// #include <oneapi/dnnl/dnnl.h>
import "C"

import (
	"fmt"

	"ringloom/nn"
)

// Compile prepares the kernel of one operation. Errors wrap nn.ErrSpec (the shapes do not fit), nn.ErrUnsupported (an
// operation of a type that this device does not know, or that oneDNN has no kernel for), ErrClosed or a Status.
func (d *Device) Compile(spec nn.Spec) (nn.Kernel, error) {
	if d.closed {
		return nil, ErrClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("oneDNN device: %w", err)
	}
	k, err := d.compile(spec, d.choose(spec))
	if err != nil {
		return nil, err
	}
	return k, nil
}

func (d *Device) choose(spec nn.Spec) way { return choose(spec, d.c.avx512 != 0) }

// compile prepares the kernel of a valid operation in a given way.
func (d *Device) compile(spec nn.Spec, w way) (*kernel, error) {
	var c *C.rl_kernel
	var status C.int
	switch s := spec.(type) {
	case nn.ConvForward:
		switch w {
		case grey:
			status = C.rl_grey_forward(&d.c, convWindow(s.Conv), &c)
		case narrow:
			status = C.rl_narrow_forward(&d.c, convWindow(s.Conv), &c)
		default:
			status = C.rl_plan_conv_forward(&d.c, convWindow(s.Conv), layout(w), &c)
		}
	case nn.ConvBackwardData:
		if w == narrow {
			status = C.rl_narrow_backward_data(&d.c, convWindow(s.Conv), &c)
		} else {
			status = C.rl_plan_conv_backward_data(&d.c, convWindow(s.Conv), layout(w), &c)
		}
	case nn.ConvBackwardWeights:
		switch w {
		case grey:
			status = C.rl_grey_backward_weights(&d.c, convWindow(s.Conv), &c)
		case narrow:
			status = C.rl_narrow_backward_weights(&d.c, convWindow(s.Conv), &c)
		default:
			status = C.rl_plan_conv_backward_weights(&d.c, convWindow(s.Conv), layout(w), &c)
		}
	case nn.LinearForward:
		status = C.rl_plan_linear_forward(&d.c, linear(s.Linear), &c)
	case nn.LinearBackwardData:
		status = C.rl_plan_linear_backward_data(&d.c, linear(s.Linear), &c)
	case nn.LinearBackwardWeights:
		status = C.rl_plan_linear_backward_weights(&d.c, linear(s.Linear), &c)
	case nn.AvgPoolForward:
		if w == halve {
			status = C.rl_halve_forward(&d.c, poolWindow(s.Pool), &c)
		} else {
			status = C.rl_plan_avg_pool_forward(&d.c, poolWindow(s.Pool), &c)
		}
	case nn.AvgPoolBackward:
		if w == halve {
			status = C.rl_halve_backward(&d.c, poolWindow(s.Pool), &c)
		} else {
			status = C.rl_plan_avg_pool_backward(&d.c, poolWindow(s.Pool), &c)
		}
	case nn.SigmoidForward:
		status = C.rl_sigmoid_forward(&d.c, C.int64_t(s.Len), &c)
	case nn.SigmoidBackward:
		status = C.rl_sigmoid_backward(&d.c, C.int64_t(s.Len), &c)
	case nn.SoftmaxCrossEntropyForward:
		status = C.rl_softmax_cross_entropy(&d.c, C.int(s.N), C.int(s.C), &c)
	default:
		return nil, fmt.Errorf("oneDNN device: %T: %w", spec, nn.ErrUnsupported)
	}
	if err := failure(status); err != nil {
		if status == C.dnnl_unimplemented {
			err = fmt.Errorf("%w: %w", nn.ErrUnsupported, err)
		}
		return nil, fmt.Errorf("oneDNN device: compile %s %v: %w", nn.Kind(spec), spec, err)
	}
	k := &kernel{spec: spec, c: c}
	k.dst, k.src = nn.Operands(spec)
	d.kernels = append(d.kernels, k)
	return k, nil
}

func layout(w way) C.int {
	if w == blocked {
		return C.RL_BLOCKED
	}
	return C.RL_NHWC
}

func convWindow(c nn.Conv) C.rl_window {
	w := window(c.Src, c.Dst, c.KernelH, c.KernelW, c.StrideH, c.StrideW, c.PadH, c.PadW)
	w.no_bias = flag(c.NoBias)
	return w
}

func flag(set bool) C.int {
	if set {
		return 1
	}
	return 0
}

func poolWindow(p nn.Pool) C.rl_window {
	return window(p.Src, p.Dst, p.KernelH, p.KernelW, p.StrideH, p.StrideW, p.PadH, p.PadW)
}

func window(src, dst nn.Image, kh, kw, sh, sw, ph, pw int) C.rl_window {
	return C.rl_window{
		n: C.int(src.N), ih: C.int(src.H), iw: C.int(src.W), ic: C.int(src.C),
		oh: C.int(dst.H), ow: C.int(dst.W), oc: C.int(dst.C),
		kh: C.int(kh), kw: C.int(kw), sh: C.int(sh), sw: C.int(sw), ph: C.int(ph), pw: C.int(pw),
		pitch: C.int(dst.PixelPitch()),
	}
}

func linear(l nn.Linear) C.rl_linear {
	return C.rl_linear{n: C.int(l.Src.N), h: C.int(l.Src.H), w: C.int(l.Src.W), c: C.int(l.Src.C), out: C.int(l.Out)}
}
