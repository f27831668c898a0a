//go:build onednn && cgo

package onednn

// #include "conv_gemm.h"
import "C"

import "ringloom/nn/op"

// createGEMM makes the C kernel of one of those convolutions; known is false for another
// algorithm or operation.
func (d *Device) createGEMM(spec op.Spec, a algorithm, out **C.rl_kernel) (status C.int, known bool) {
	switch a {
	case pointwise:
		switch s := spec.(type) {
		case op.ConvForward:
			return C.rl_pointwise_forward(&d.c, forwardWindow(s), out), true
		case op.ConvBackwardData:
			return C.rl_pointwise_backward_data(&d.c, backwardDataWindow(s), out), true
		case op.ConvBackwardWeights:
			return C.rl_pointwise_backward_weights(&d.c, convWindow(s.Conv), out), true
		}
	case winograd2, winograd3, winograd4, winograd6:
		m := C.int(a.tile())
		switch s := spec.(type) {
		case op.ConvForward:
			return C.rl_winograd_forward(&d.c, forwardWindow(s), m, out), true
		case op.ConvBackwardData:
			return C.rl_winograd_backward_data(&d.c, backwardDataWindow(s), m, out), true
		case op.ConvBackwardWeights:
			return C.rl_winograd_backward_weights(&d.c, convWindow(s.Conv), m, out), true
		}
	}
	return C.RL_OK, false
}

func forwardWindow(s op.ConvForward) C.rl_window {
	c := convWindow(s.Conv)
	c.relu = flag(s.ReLU)
	return c
}

func backwardDataWindow(s op.ConvBackwardData) C.rl_window {
	c := convWindow(s.Conv)
	c.accumulate, c.mask = flag(s.Accumulate), flag(s.Mask)
	return c
}
