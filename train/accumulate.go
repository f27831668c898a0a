package train

import (
	"fmt"

	"ringloom/nn"
)

// accumulator adds up the gradients of a step's micro-batches. The last one's are added bucket by bucket as they become
// final, so that the ring starts as early as without accumulation.
type accumulator struct {
	sum   nn.Buffer // of the micro-batches before the last
	first update    // sum = gradients
	all   update    // sum += gradients
	last  []update  // by bucket: gradients += sum
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
	whole := nn.Image{N: 1, H: 1, W: 1, C: params.Len()}
	a.first = update{dst: []nn.Buffer{a.sum}, src: []nn.Buffer{params.Grads}}
	if a.first.kernel, err = device.Compile(nn.ChannelCopy{Src: whole, Dst: whole}); err != nil {
		return nil, fmt.Errorf("preparing gradient accumulation: %w", err)
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
func (a *accumulator) keep(micro int) error {
	if micro == 0 {
		return a.first.run()
	}
	return a.all.run()
}

// complete adds what was kept to a bucket of the last micro-batch's gradients.
func (a *accumulator) complete(bucket int) error {
	return a.last[bucket].run()
}
