package gradsync

import (
	"context"

	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/train/optim"
)

// squaredNorm takes the sum of squares of what this rank owns of the gradient, bucket by bucket as the sums arrive. nil is
// for steps whose norm nobody asks for.
type squaredNorm struct {
	device op.Device
	calls  [][]optim.Call // by bucket and region
	result op.Buffer      // of each, in that order
}

func newSquaredNorm(device op.Device, params *nn.Params, owned optim.Ownership) (*squaredNorm, error) {
	n := &squaredNorm{device: device}
	count := 0
	owned.Each(func(optim.Region) { count++ })
	var err error
	if n.result, err = device.Alloc(max(1, count)); err != nil {
		return nil, preparing("gradient clipping", err)
	}
	at := 0
	for _, regions := range owned.Regions {
		var calls []optim.Call
		for _, r := range regions {
			length := r.To - r.From
			c := optim.Call{Dst: []op.Buffer{n.result.Slice(at, 1)}, Src: []op.Buffer{params.Grads.Slice(r.From, length)}}
			if c.Kernel, err = device.Compile(op.SumOfSquares{Len: length}); err != nil {
				return nil, preparing("gradient clipping", err)
			}
			calls, at = append(calls, c), at+1
		}
		n.calls = append(n.calls, calls)
	}
	return n, nil
}

// add takes a bucket's sum of squares.
func (n *squaredNorm) add(bucket int) error {
	if n == nil {
		return nil
	}
	for i := range n.calls[bucket] {
		if err := n.calls[bucket][i].Run(); err != nil {
			return err
		}
	}
	return nil
}

// total adds them up over all buckets. Where this rank owns everything, the gradient and the plan are the same on all
// ranks, hence the total. It waits for an accelerator.
func (n *squaredNorm) total() (squares float64, err error) {
	if err := op.Pull(n.device, n.result); err != nil {
		return 0, err
	}
	at := 0
	for _, calls := range n.calls {
		bucket := 0.0
		for range calls {
			bucket += float64(n.result.Host[at])
			at++
		}
		squares += bucket
	}
	return squares, nil
}

// normExchange adds up the sums of squares that ranks have found in their own shards. Each rank's is a float64 in two
// parts, in a vector of all ranks': so every rank adds the same numbers in the same order. nil is for ranks that each own
// everything.
type normExchange struct {
	ring   *allreduce.Group
	rank   int
	bucket int       // a number that no other collective of a step has
	parts  []float32 // [ranks, 2]
}

func newNormExchange(ring *allreduce.Group, c Config, bucket int) *normExchange {
	return &normExchange{ring: ring, rank: c.Rank, bucket: bucket, parts: make([]float32, 2*c.WorldSize)}
}

// total waits for all ranks.
func (x *normExchange) total(ctx context.Context, squares float64) (float64, error) {
	clear(x.parts)
	x.parts[2*x.rank], x.parts[2*x.rank+1] = parts(squares)
	if err := x.ring.StartAllReduce(x.parts, allreduce.Sum{Bucket: x.bucket}).Wait(ctx); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, part := range x.parts {
		sum += float64(part)
	}
	return sum, nil
}
