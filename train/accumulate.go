package train

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// accumulator adds up the gradients of a step's micro-batches. The last one's are added bucket by bucket as they become
// final, so that the ring starts as early as without accumulation.
type accumulator struct {
	sum   op.Buffer // of the micro-batches before the last
	first update    // sum = gradients
	all   update    // sum += gradients
	last  []update  // by bucket: gradients += sum
}

func newAccumulator(device op.Device, params *nn.Params, plan []bucket) (*accumulator, error) {
	a := &accumulator{}
	var err error
	if a.sum, err = device.Alloc(params.Len()); err != nil {
		return nil, fmt.Errorf("allocating accumulated gradients: %w", err)
	}
	add := func(dst, src op.Buffer, n int) (update, error) {
		kernel, err := device.Compile(op.Add{Len: n})
		if err != nil {
			return update{}, fmt.Errorf("preparing gradient accumulation: %w", err)
		}
		return update{kernel: kernel, dst: []op.Buffer{dst}, src: []op.Buffer{dst, src}}, nil
	}
	whole := op.Image{N: 1, H: 1, W: 1, C: params.Len()}
	a.first = update{dst: []op.Buffer{a.sum}, src: []op.Buffer{params.Grads}}
	if a.first.kernel, err = device.Compile(op.ChannelCopy{Src: whole, Dst: whole}); err != nil {
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
