//go:build onednn && cgo

package onednn

// #include "fast.h"
import "C"

import "ringloom/nn/op"

// createFast makes the C kernel of a fast convolution; known is false for a way or an operation that is none.
func (d *Device) createFast(spec op.Spec, w way, out **C.rl_kernel) (status C.int, known bool) {
	switch w {
	case few:
		return d.createFew(spec, out)
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
		m := C.int(w.tile())
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
