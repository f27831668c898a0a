package gradsync

import (
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/train/optim"
)

// accumulator adds up the gradients of a step's micro-batches. The last one's are added bucket by bucket as they become
// final, so that the ring starts as early as without accumulation. nil is for steps of one micro-batch.
type accumulator struct {
	sum   op.Buffer    // of the micro-batches before the last
	first optim.Call   // sum = gradients
	all   optim.Call   // sum += gradients
	last  []optim.Call // by bucket: gradients += sum
	kept  int          // micro-batches in sum
}

func newAccumulator(device op.Device, params *nn.Params, plan Plan) (*accumulator, error) {
	a := &accumulator{}
	var err error
	if a.sum, err = device.Alloc(params.Len()); err != nil {
		return nil, preparing("gradient accumulation", err)
	}
	add := func(dst, src op.Buffer, n int) (optim.Call, error) {
		kernel, err := device.Compile(op.Add{Len: n})
		return optim.Call{Kernel: kernel, Dst: []op.Buffer{dst}, Src: []op.Buffer{dst, src}}, err
	}
	if a.first, err = optim.NewCopy(device, a.sum, params.Grads, params.Len()); err != nil {
		return nil, preparing("gradient accumulation", err)
	}
	if a.all, err = add(a.sum, params.Grads, params.Len()); err != nil {
		return nil, preparing("gradient accumulation", err)
	}
	for _, b := range plan {
		c, err := add(b.of(params.Grads), b.of(a.sum), b.Len())
		if err != nil {
			return nil, preparing("gradient accumulation", err)
		}
		a.last = append(a.last, c)
	}
	return a, nil
}

// begin forgets the step before.
func (a *accumulator) begin() {
	if a != nil {
		a.kept = 0
	}
}

// keep takes the gradients of a micro-batch that is not the last.
func (a *accumulator) keep() error {
	a.kept++
	if a.kept == 1 {
		return a.first.Run()
	}
	return a.all.Run()
}

// complete adds what was kept to a bucket of the last micro-batch's gradients.
func (a *accumulator) complete(bucket int) error {
	if a == nil || a.kept == 0 {
		return nil
	}
	return a.last[bucket].Run()
}
