//go:build gpu && cgo

package libs

// #include "shim.h"
import "C"

import (
	"cmp"
	"slices"
)

// ImplicitPrecompGEMM is the forward algorithm (Algorithm.ID) that can add a bias without relu.
const ImplicitPrecompGEMM = int(C.CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)

// Algorithm is one of cuDNN's for one pass of one convolution, as measured on this device.
type Algorithm struct {
	ID             int     // cudnnConvolutionFwdAlgo_t, ...BwdDataAlgo_t or ...BwdFilterAlgo_t
	Math           int     // cudnnMathType_t to run it with
	Milliseconds   float32 // of the one measured run
	WorkspaceBytes int64
	Deterministic  bool // the same bits from run to run
}

// FindForward runs the algorithms that work with this workspace, on the caller's data, and returns them fastest first.
// y is overwritten. This waits for the device.
func (c *Conv) FindForward(x, w, y, workspace uintptr, workspaceBytes int64) ([]Algorithm, error) {
	return c.find(C.RL_FORWARD, x, w, y, workspace, workspaceBytes)
}

// FindBackwardData is FindForward for BackwardData; dx is overwritten.
func (c *Conv) FindBackwardData(w, dy, dx, workspace uintptr, workspaceBytes int64) ([]Algorithm, error) {
	return c.find(C.RL_BACKWARD_DATA, w, dy, dx, workspace, workspaceBytes)
}

// FindBackwardWeights is FindForward for BackwardWeights; dw is overwritten.
func (c *Conv) FindBackwardWeights(x, dy, dw, workspace uintptr, workspaceBytes int64) ([]Algorithm, error) {
	return c.find(C.RL_BACKWARD_WEIGHTS, x, dy, dw, workspace, workspaceBytes)
}

func (c *Conv) find(pass C.int, in1, in2, out, workspace uintptr, workspaceBytes int64) ([]Algorithm, error) {
	var results [64]perf // there are at most 8 algorithms, each with a few math types
	var got C.int
	err := failure(cuDNN, C.rl_conv_find(c.conv, pass, C.uintptr_t(in1), C.uintptr_t(in2), C.uintptr_t(out),
		C.uintptr_t(workspace), C.size_t(workspaceBytes), C.int(len(results)), &got, &results[0]))
	if err != nil {
		return nil, err
	}
	return usable(results[:got], c.shape, pass), nil
}

// perf is one result of cudnnFind...
type perf = C.struct_rl_perf

// roundabout are, by pass, the algorithms that come to a convolution's sums in exact arithmetic alone.
var roundabout = map[C.int][]C.int{
	C.RL_FORWARD: {
		C.CUDNN_CONVOLUTION_FWD_ALGO_FFT, C.CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING,
		C.CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, C.CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED,
	},
	C.RL_BACKWARD_DATA: {
		C.CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, C.CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING,
		C.CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD, C.CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED,
	},
	C.RL_BACKWARD_WEIGHTS: {
		C.CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, C.CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING,
		C.CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD, C.CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED,
	},
}

// usable keeps what succeeded within the shape's precision, fastest first. cudnnFind... tries other math types than the
// descriptor's as well (its documentation), so:
//   - strict float32 takes only results without tensor cores, and always runs them as CUDNN_FMA_MATH, since
//     CUDNN_DEFAULT_MATH would allow TF32;
//   - nothing takes CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, which rounds float32 to half precision.
func usable(results []perf, s ConvShape, pass C.int) []Algorithm {
	strict := s.Type == F32 && s.Compute == Strict
	var list []Algorithm
	for _, r := range results {
		if r.status != C.CUDNN_STATUS_SUCCESS || r.mathType == C.CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION {
			continue
		}
		if s.AsDefined && slices.Contains(roundabout[pass], C.int(r.algo)) {
			continue
		}
		a := Algorithm{ID: int(r.algo), Math: int(r.mathType), Milliseconds: float32(r.time),
			WorkspaceBytes: int64(r.memory), Deterministic: r.determinism == C.CUDNN_DETERMINISTIC}
		if strict {
			if a.Math == C.CUDNN_TENSOR_OP_MATH {
				continue
			}
			a.Math = C.CUDNN_FMA_MATH
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b Algorithm) int { return cmp.Compare(a.Milliseconds, b.Milliseconds) })
	return list
}
