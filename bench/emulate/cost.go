package emulate

import (
	"fmt"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// flopsPerByte weighs memory traffic against arithmetic: the time in which a byte is moved is that of so many float32
// operations. It is about the same over a wide range of devices: some 23 for two AVX-512 cores with 15 GB/s, 13 for
// NVIDIA's A100, 20 for its H100 (data sheets, without tensor cores).
const flopsPerByte = 20

// cost is the time of an operation, in units of a float32 operation: its arithmetic, and its operands read or written
// once.
func cost(spec op.Spec) float64 {
	const elementBytes = 4
	dst, src := spec.Operands()
	elements := 0
	for _, o := range dst {
		elements += o.Len
		if o.Updated { // it is read as well
			elements += o.Len
		}
	}
	for _, o := range src {
		elements += o.Len
	}
	return float64(op.FLOPs(spec)) + flopsPerByte*elementBytes*float64(elements)
}

// stepCost is that of forward and backward.
func (c Config) stepCost() (float64, error) {
	specs, err := exec.Specs(c.Model.Build, c.Model.InputSide, c.Batch, true)
	if err != nil {
		return 0, fmt.Errorf("emulating %s: %w", c.Model.Name, err)
	}
	sum := 0.0
	for _, s := range specs {
		sum += cost(s)
	}
	return sum, nil
}
