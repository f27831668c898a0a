package train

import (
	"fmt"
	"math"

	"ringloom/nn"
)

// clipper finds the factor by which a gradient is scaled so that its norm stays under a limit.
type clipper struct {
	limit  float64
	sums   []update // by bucket
	result nn.Buffer
}

// newClipper compiles the sums of the plan's ranges. A limit of 0 means no clipping: the result is nil.
func newClipper(limit float64, device nn.Device, params *nn.Params, plan []bucket) (*clipper, error) {
	if limit == 0 {
		return nil, nil
	}
	c := &clipper{limit: limit}
	var err error
	if c.result, err = device.Alloc(1); err != nil {
		return nil, fmt.Errorf("preparing gradient clipping: %w", err)
	}
	for _, b := range plan {
		n := b.hi - b.lo
		u := update{dst: []nn.Buffer{c.result}, src: []nn.Buffer{params.Grads.Slice(b.lo, n)}}
		if u.kernel, err = device.Compile(nn.SumOfSquares{Len: n}); err != nil {
			return nil, fmt.Errorf("preparing gradient clipping: %w", err)
		}
		c.sums = append(c.sums, u)
	}
	return c, nil
}

// sumOfSquares is that of a bucket's gradient. The gradient and the plan are the same on all ranks, hence the sum.
func (c *clipper) sumOfSquares(bucket int) (float64, error) {
	u := &c.sums[bucket]
	err := u.kernel.Run(u.dst, u.src)
	return float64(c.result.Host[0]), err
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
