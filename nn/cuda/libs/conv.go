//go:build gpu && cgo

package libs

// #include "shim.h"
import "C"

import "fmt"

// ConvShape is a two-dimensional cross-correlation: x [N][H][W][C], w [OutC][KernelH][KernelW][C], y
// [N][OutH][OutW][OutC], dense. Padding is the same on both sides of an axis; OutH must be (H+2*PadH-KernelH)/StrideH +
// 1, and OutW likewise.
type ConvShape struct {
	N, H, W, C       int
	OutH, OutW, OutC int
	KernelH, KernelW int
	StrideH, StrideW int
	PadH, PadW       int
	Type             Type    // of x, w, y and the bias
	Compute          Compute // for F32
	// AsDefined leaves out algorithms that come to a convolution's sums in exact arithmetic alone: Winograd's and FFT.
	AsDefined bool
}

// math is the math type that the shape asks of cuDNN: its default allows TF32 for float32, and tensor cores for
// bfloat16.
func (s ConvShape) math() C.int {
	if s.Type == F32 && s.Compute == Strict {
		return C.CUDNN_FMA_MATH
	}
	return C.CUDNN_DEFAULT_MATH
}

func (s ConvShape) validate() error {
	for _, v := range []int{s.N, s.H, s.W, s.C, s.OutH, s.OutW, s.OutC, s.KernelH, s.KernelW, s.StrideH, s.StrideW} {
		if v < 1 || v > 1<<30 {
			return fmt.Errorf("libs: a size of the convolution is out of range: %+v", s)
		}
	}
	if s.PadH < 0 || s.PadW < 0 || s.OutH != (s.H+2*s.PadH-s.KernelH)/s.StrideH+1 || s.OutW != (s.W+2*s.PadW-s.KernelW)/s.StrideW+1 {
		return fmt.Errorf("libs: the sizes of the convolution do not fit together: %+v", s)
	}
	return nil
}

// describe is the shape as the C side takes it.
func (s ConvShape) describe() C.rl_shape {
	data := C.int(C.CUDNN_DATA_FLOAT)
	if s.Type == BF16 {
		data = C.CUDNN_DATA_BFLOAT16
	}
	return C.rl_shape{
		n: C.int(s.N), h: C.int(s.H), w: C.int(s.W), c: C.int(s.C),
		out_h: C.int(s.OutH), out_w: C.int(s.OutW), out_c: C.int(s.OutC),
		kernel_h: C.int(s.KernelH), kernel_w: C.int(s.KernelW), stride_h: C.int(s.StrideH), stride_w: C.int(s.StrideW),
		pad_h: C.int(s.PadH), pad_w: C.int(s.PadW), _type: data, math: s.math(),
	}
}

// Conv holds cuDNN's descriptors of one convolution.
type Conv struct {
	dnn   *DNN
	conv  *C.rl_conv
	shape ConvShape
}

// NewConv describes a convolution to cuDNN; Close it before the DNN.
func (d *DNN) NewConv(s ConvShape) (*Conv, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	shape := s.describe()
	c := &Conv{dnn: d, shape: s}
	if err := failure(cuDNN, C.rl_conv_open(d.handle, &shape, &c.conv)); err != nil {
		return nil, err
	}
	return c, nil
}

// Close destroys the descriptors.
func (c *Conv) Close() error { return failure(cuDNN, C.rl_conv_close(c.conv)) }

// Forward enqueues y = conv(x, w) + beta*y, by an algorithm of FindForward with at least its workspace.
func (c *Conv) Forward(a Algorithm, x, w, y, workspace uintptr, workspaceBytes int64, beta float32) error {
	return c.run(C.RL_FORWARD, a, x, w, y, workspace, workspaceBytes, beta)
}

// BackwardData enqueues dx = gradient of x + beta*dx, by an algorithm of FindBackwardData.
func (c *Conv) BackwardData(a Algorithm, w, dy, dx, workspace uintptr, workspaceBytes int64, beta float32) error {
	return c.run(C.RL_BACKWARD_DATA, a, w, dy, dx, workspace, workspaceBytes, beta)
}

// BackwardWeights enqueues dw = gradient of w + beta*dw, by an algorithm of FindBackwardWeights.
func (c *Conv) BackwardWeights(a Algorithm, x, dy, dw, workspace uintptr, workspaceBytes int64, beta float32) error {
	return c.run(C.RL_BACKWARD_WEIGHTS, a, x, dy, dw, workspace, workspaceBytes, beta)
}

func (c *Conv) run(pass C.int, a Algorithm, in1, in2, out, workspace uintptr, workspaceBytes int64, beta float32) error {
	return failure(cuDNN, C.rl_conv_run(c.conv, pass, C.int(a.ID), C.int(a.Math), C.uintptr_t(in1), C.uintptr_t(in2),
		C.uintptr_t(out), C.uintptr_t(workspace), C.size_t(workspaceBytes), C.float(beta)))
}

// ForwardBias enqueues y = conv(x, w) + bias by algorithm ImplicitPrecompGEMM, which alone can do it. bias has OutC
// elements of the shape's type. There is no ReLU behind it: cuDNN's in this call makes 0 of NaN.
func (c *Conv) ForwardBias(a Algorithm, x, w, bias, y, workspace uintptr, workspaceBytes int64) error {
	if a.ID != ImplicitPrecompGEMM {
		return errNoIdentity
	}
	return failure(cuDNN, C.rl_conv_bias(c.conv, C.int(a.ID), C.int(a.Math), C.uintptr_t(x), C.uintptr_t(w), C.uintptr_t(bias),
		C.uintptr_t(y), C.uintptr_t(workspace), C.size_t(workspaceBytes)))
}

// errNoIdentity is cuDNN's documented limit (CUDNN_ACTIVATION_IDENTITY), checked here because its versions differ in
// whether they refuse or ignore it.
var errNoIdentity = fmt.Errorf("libs: a bias needs forward algorithm %d (implicit precomputed GEMM): %w",
	ImplicitPrecompGEMM, ErrNotSupported)
