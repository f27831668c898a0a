//go:build onednn && cgo

package onednn

// #include "kernel.h"
// #include <oneapi/dnnl/dnnl.h>
import "C"

import (
	"fmt"
	"slices"

	"ringloom/nn/op"
)

// Compile prepares the kernel of one operation. Errors wrap op.ErrSpec (the shapes do not fit), op.ErrUnsupported (an
// operation of a type that this device does not know, or that oneDNN has no kernel for), ErrClosed or a Status.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
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

// choose is the known choice for an operation, or what a rule says.
func (d *Device) choose(spec op.Spec) algorithm {
	all := d.candidates(spec)
	if d.direct || len(all) == 1 {
		return direct
	}
	if a, ok := d.choices[tuneKey(spec)]; ok && slices.Contains(all, a) {
		return a
	}
	return d.rules().choose(spec)
}

func (d *Device) rules() rules { return rules{avx512: d.c.avx512 != 0, strict: d.strict} }

func (d *Device) candidates(spec op.Spec) []algorithm { return d.rules().candidates(spec) }

// compile prepares the kernel of a valid operation by one of its candidates.
func (d *Device) compile(spec op.Spec, a algorithm) (*kernel, error) {
	var c *C.rl_kernel
	status, known := d.create(spec, a, &c)
	if !known {
		return nil, fmt.Errorf("oneDNN device: %T: %w", spec, op.ErrUnsupported)
	}
	if err := failure(status); err != nil {
		if status == C.dnnl_unimplemented {
			err = fmt.Errorf("%w: %w", op.ErrUnsupported, err)
		}
		return nil, fmt.Errorf("oneDNN device: compile %s %v: %w", spec.Kind(), spec, err)
	}
	k := &kernel{spec: spec, c: c}
	k.dst, k.src = op.Lens(spec)
	d.kernels = append(d.kernels, k)
	return k, nil
}

// create makes the C kernel; known is false for an operation that this device does not have.
func (d *Device) create(spec op.Spec, a algorithm, out **C.rl_kernel) (status C.int, known bool) {
	if a == convSmallChannels {
		return d.createSmallChannels(spec, out)
	}
	if status, known = d.createGEMM(spec, a, out); known {
		return status, true
	}
	switch s := spec.(type) {
	case op.ConvForward:
		return d.convForward(s, a, out), true
	case op.ConvBackwardData:
		return d.convBackwardData(s, a, out), true
	case op.ConvBackwardWeights:
		return d.convBackwardWeights(s, a, out), true
	case op.LinearForward:
		l := linear(s.Linear)
		l.relu = flag(s.ReLU)
		return C.rl_plan_linear(&d.c, l, layout(a), C.RL_FORWARD, out), true
	case op.LinearBackwardData:
		l := linear(s.Linear)
		l.accumulate, l.mask = flag(s.Accumulate), flag(s.Mask)
		return C.rl_plan_linear(&d.c, l, layout(a), C.RL_BACKWARD_DATA, out), true
	case op.LinearBackwardWeights:
		return C.rl_plan_linear(&d.c, linear(s.Linear), layout(a), C.RL_BACKWARD_WEIGHTS, out), true
	case op.AvgPoolForward:
		if a == avgPool2x2 {
			return C.rl_avgpool_2x2_forward(&d.c, poolWindow(s.Pool, op.Gather{}), out), true
		}
		return C.rl_pool(&d.c, C.RL_AVG_FORWARD, poolWindow(s.Pool, op.Gather{}), out), true
	case op.AvgPoolBackward:
		if a == avgPool2x2 {
			return C.rl_avgpool_2x2_backward(&d.c, poolWindow(s.Pool, s.Gather), out), true
		}
		return C.rl_pool(&d.c, C.RL_AVG_BACKWARD, poolWindow(s.Pool, s.Gather), out), true
	case op.MaxPoolForward:
		what := either(s.Inference, C.RL_MAX_INFERENCE, C.RL_MAX_FORWARD)
		return C.rl_pool(&d.c, what, poolWindow(s.Pool, op.Gather{}), out), true
	case op.MaxPoolBackward:
		return C.rl_pool(&d.c, C.RL_MAX_BACKWARD, poolWindow(s.Pool, s.Gather), out), true
	case op.SigmoidForward:
		return C.rl_sigmoid_forward(&d.c, C.int64_t(s.Len), out), true
	case op.SigmoidBackward:
		return C.rl_sigmoid_backward(&d.c, C.int64_t(s.Len), out), true
	case op.ReLUForward:
		return C.rl_elementwise(&d.c, C.RL_RELU_FORWARD, C.int64_t(s.Len), out), true
	case op.ReLUBackward:
		return C.rl_elementwise(&d.c, C.RL_RELU_BACKWARD, C.int64_t(s.Len), out), true
	case op.Add:
		return C.rl_elementwise(&d.c, either(s.ReLU, C.RL_ADD_RELU, C.RL_ADD), C.int64_t(s.Len), out), true
	case op.Dropout:
		return C.rl_dropout(&d.c, C.int64_t(s.Len), C.float(1/(1-s.Rate)), C.uint32_t(op.DropoutThreshold(s.Rate)),
			C.uint32_t(s.Layer), flag(s.Mask), out), true
	case op.ChannelCopy:
		return C.rl_channel_copy(&d.c, C.int64_t(s.Src.N*s.Src.H*s.Src.W), C.int(s.Src.C), C.int(s.Src.PixelPitch()),
			C.int(s.Dst.PixelPitch()), out), true
	case op.BatchNormMoments:
		return C.rl_norm_part(&d.c, C.RL_NORM_MOMENTS, norm(s.Image), out), true
	case op.BatchNormForward:
		n := norm(s.Image)
		n.count, n.relu = C.int64_t(s.Count), flag(s.ReLU)
		return C.rl_norm_part(&d.c, C.RL_NORM_FORWARD, n, out), true
	case op.BatchNormInference:
		n := norm(s.Image)
		n.relu = flag(s.ReLU)
		return C.rl_norm_part(&d.c, C.RL_NORM_INFERENCE, n, out), true
	case op.BatchNormBackwardSums:
		return C.rl_norm_part(&d.c, C.RL_NORM_SUMS, norm(s.Image), out), true
	case op.BatchNormBackward:
		n := norm(s.Image)
		n.accumulate, n.mask = flag(s.Accumulate), flag(s.Mask)
		return C.rl_norm_part(&d.c, C.RL_NORM_BACKWARD, n, out), true
	case op.SoftmaxCrossEntropyForward:
		return C.rl_softmax_cross_entropy(&d.c, C.int(s.N), C.int(s.C), C.float(s.Smoothing), out), true
	case op.AdamUpdate:
		return C.rl_update(&d.c, C.RL_ADAM, C.int64_t(s.Len), out), true
	case op.SGDUpdate:
		return C.rl_update(&d.c, either(s.Nesterov, C.RL_SGD_NESTEROV, C.RL_SGD), C.int64_t(s.Len), out), true
	case op.SumOfSquares:
		return C.rl_sum_of_squares(&d.c, C.int64_t(s.Len), out), true
	}
	return C.RL_OK, false
}
