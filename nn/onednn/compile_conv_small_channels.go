//go:build onednn && cgo

package onednn

// #include "conv_small_channels.h"
import "C"

import "ringloom/nn/op"

// createSmallChannels makes the C kernel of a convolution of few channels; known is false for other operations.
func (d *Device) createSmallChannels(spec op.Spec, out **C.rl_kernel) (status C.int, known bool) {
	switch s := spec.(type) {
	case op.ConvForward:
		return C.rl_conv_small_channels_forward(&d.c, forwardWindow(s), out), true
	case op.ConvBackwardData:
		return C.rl_conv_small_channels_backward_data(&d.c, backwardDataWindow(s), out), true
	case op.ConvBackwardWeights:
		return C.rl_conv_small_channels_backward_weights(&d.c, convWindow(s.Conv), out), true
	}
	return C.RL_OK, false
}
