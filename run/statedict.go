package run

import (
	"strings"

	"ringloom/checkpoint"
	"ringloom/nn"
)

// StateDict shows the parameters and the running moments as the named tensors of PyTorch's state dict, without copying. steps is
// what PyTorch calls num_batches_tracked, a scalar of each batch norm layer.
func StateDict(p *nn.Params, steps int) []checkpoint.Tensor {
	return stateDict(p.List, p.State, steps, func(i int) []float32 { return p.Value(i).Host }, func(i int) []float32 { return p.StateValue(i).Host })
}

// fitsInfo says how tensors do not fit a model, before there is any memory for its parameters.
func fitsInfo(model string, info nn.Info, meta checkpoint.Meta, have []checkpoint.Tensor) error {
	none := func(int) []float32 { return nil }
	return checkpoint.Fit(model, stateDict(info.Params, info.State, 0, none, none), meta, have)
}

func stateDict(params, state []nn.Param, steps int, value, stateValue func(i int) []float32) []checkpoint.Tensor {
	var tensors []checkpoint.Tensor
	for i, q := range params {
		tensors = append(tensors, checkpoint.Tensor{Name: q.Name, Shape: q.Shape, Data: value(i)})
	}
	for i, q := range state {
		tensors = append(tensors, checkpoint.Tensor{Name: q.Name, Shape: q.Shape, Data: stateValue(i)})
		if module, ok := strings.CutSuffix(q.Name, ".running_var"); ok {
			tensors = append(tensors, checkpoint.Tensor{
				Name: module + ".num_batches_tracked", Shape: []int{}, Ints: []int64{int64(steps)},
			})
		}
	}
	return tensors
}
