package train

import (
	"context"
	"fmt"
	"math"

	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
)

// clipper finds the factor by which a gradient is scaled so that its norm stays under a limit.
type clipper struct {
	limit  float64
	device op.Device
	sums   [][]update // by bucket and region
	result op.Buffer  // of each, in that order
}

// newClipper compiles the sums of the regions. A limit of 0 means no clipping: the result is nil.
func newClipper(limit float64, device op.Device, params *nn.Params, owned ownership) (*clipper, error) {
	if limit == 0 {
		return nil, nil
	}
	c := &clipper{limit: limit, device: device}
	count := 0
	owned.each(func(region) { count++ })
	var err error
	if c.result, err = device.Alloc(max(1, count)); err != nil {
		return nil, fmt.Errorf("preparing gradient clipping: %w", err)
	}
	at := 0
	for _, regions := range owned.regions {
		var sums []update
		for _, r := range regions {
			n := r.hi - r.lo
			u := update{dst: []op.Buffer{c.result.Slice(at, 1)}, src: []op.Buffer{params.Grads.Slice(r.lo, n)}}
			if u.kernel, err = device.Compile(op.SumOfSquares{Len: n}); err != nil {
				return nil, fmt.Errorf("preparing gradient clipping: %w", err)
			}
			sums, at = append(sums, u), at+1
		}
		c.sums = append(c.sums, sums)
	}
	return c, nil
}

// square takes the sums of squares of what this rank owns of a bucket's gradient.
func (c *clipper) square(bucket int) error {
	for i := range c.sums[bucket] {
		if err := c.sums[bucket][i].run(); err != nil {
			return err
		}
	}
	return nil
}

// sumOfSquares adds them up over all buckets. Where this rank owns everything, the gradient and the plan are the same on
// all ranks, hence the sum. It waits for an accelerator.
func (c *clipper) sumOfSquares() (squares float64, err error) {
	if err := op.Pull(c.device, c.result); err != nil {
		return 0, err
	}
	at := 0
	for _, sums := range c.sums {
		bucket := 0.0
		for range sums {
			bucket += float64(c.result.Host[at])
			at++
		}
		squares += bucket
	}
	return squares, nil
}

// normExchange adds up the sums of squares that ranks have found in their own shards. Each rank's is a float64 in two
// parts, in a vector of all ranks': so every rank adds the same numbers in the same order.
type normExchange struct {
	ring   *allreduce.Group
	bucket int       // a number that no other collective of a step has
	parts  []float32 // [ranks, 2]
}

func newNormExchange(ring *allreduce.Group, world, bucket int) *normExchange {
	return &normExchange{ring: ring, bucket: bucket, parts: make([]float32, 2*world)}
}

// total waits for all ranks.
func (x *normExchange) total(ctx context.Context, rank int, squares float64) (float64, error) {
	clear(x.parts)
	high := float32(squares)
	x.parts[2*rank] = high
	if finite(float64(high)) {
		x.parts[2*rank+1] = float32(squares - float64(high))
	}
	if err := x.ring.StartAllReduce(x.parts, allreduce.Sum{Bucket: x.bucket}).Wait(ctx); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, part := range x.parts {
		sum += float64(part)
	}
	return sum, nil
}

// scale is the factor for a gradient of the given norm, as torch.nn.utils.clip_grad_norm_ has it: the small number keeps
// the division sound where the norm is 0.
func (c *clipper) scale(norm float64) float64 { return min(1, c.limit/(norm+1e-6)) }

// norms collects the gradient norms of an epoch's steps.
type norms struct {
	Sum float64 `json:"sum"`
	Max float64 `json:"max"`
	N   int     `json:"steps"`
}

func (n *norms) add(norm float64) {
	n.Sum += norm
	n.Max = math.Max(n.Max, norm)
	n.N++
}

// mean is 0 without a step.
func (n *norms) mean() float64 {
	if n.N == 0 {
		return 0
	}
	return n.Sum / float64(n.N)
}
