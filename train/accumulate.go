package train

import (
	"fmt"

	"ringloom/nn"
)

// accumulator adds up the gradients of a step's micro-batches. The last one's are added bucket by bucket as they become
// final, so that the ring starts as early as without accumulation.
type accumulator struct {
	sum  nn.Buffer // of the micro-batches before the last
	all  update    // sum += gradients
	last []update  // by bucket: gradients += sum
}

func newAccumulator(device nn.Device, params *nn.Params, plan []bucket) (*accumulator, error) {
	a := &accumulator{}
	var err error
	if a.sum, err = device.Alloc(params.Len()); err != nil {
		return nil, fmt.Errorf("allocating accumulated gradients: %w", err)
	}
	add := func(dst, src nn.Buffer, n int) (update, error) {
		kernel, err := device.Compile(nn.Add{Len: n})
		if err != nil {
			return update{}, fmt.Errorf("preparing gradient accumulation: %w", err)
		}
		return update{kernel: kernel, dst: []nn.Buffer{dst}, src: []nn.Buffer{dst, src}}, nil
	}
	if a.all, err = add(a.sum, params.Grads, params.Len()); err != nil {
		return nil, err
	}
	for _, b := range plan {
		n := b.hi - b.lo
		u, err := add(params.Grads.Slice(b.lo, n), a.sum.Slice(b.lo, n), n)
		if err != nil {
			return nil, err
		}
		a.last = append(a.last, u)
	}
	return a, nil
}

// keep takes the gradients of a micro-batch that is not the last.
func (a *accumulator) keep(micro int, grads nn.Buffer) error {
	if micro == 0 {
		copy(a.sum.Host, grads.Host)
		return nil
	}
	return a.all.kernel.Run(a.all.dst, a.all.src)
}

// complete adds what was kept to a bucket of the last micro-batch's gradients.
func (a *accumulator) complete(bucket int) error {
	u := &a.last[bucket]
	return u.kernel.Run(u.dst, u.src)
}
