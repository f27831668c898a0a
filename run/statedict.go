package run

import (
	"strings"

	"ringloom/checkpoint"
	"ringloom/nn"
)

// StateDict shows the parameters and the running moments as the named tensors of PyTorch's state dict, without copying. steps is
// what PyTorch calls num_batches_tracked, a scalar of each batch norm layer.
func StateDict(p *nn.Params, steps int) []checkpoint.Tensor {
	var tensors []checkpoint.Tensor
	for i, q := range p.List {
		tensors = append(tensors, checkpoint.Tensor{Name: q.Name, Shape: q.Shape, Data: p.Value(i).Host})
	}
	for i, q := range p.State {
		tensors = append(tensors, checkpoint.Tensor{Name: q.Name, Shape: q.Shape, Data: p.StateValue(i).Host})
		if module, ok := strings.CutSuffix(q.Name, ".running_var"); ok {
			tensors = append(tensors, checkpoint.Tensor{
				Name: module + ".num_batches_tracked", Shape: []int{}, Ints: []int64{int64(steps)},
			})
		}
	}
	return tensors
}
