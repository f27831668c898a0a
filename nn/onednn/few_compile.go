//go:build onednn && cgo

package onednn

// #include "few.h"
import "C"

import "ringloom/nn"

// createFew makes the C kernel of a convolution of few channels; known is false for other operations.
func (d *Device) createFew(spec nn.Spec, out **C.rl_kernel) (status C.int, known bool) {
	switch s := spec.(type) {
	case nn.ConvForward:
		return C.rl_few_forward(&d.c, forwardWindow(s), out), true
	case nn.ConvBackwardData:
		return C.rl_few_backward_data(&d.c, backwardDataWindow(s), out), true
	case nn.ConvBackwardWeights:
		return C.rl_few_backward_weights(&d.c, convWindow(s.Conv), out), true
	}
	return C.RL_OK, false
}
