package gradsync

import (
	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/train/optim"
)

// Bucket is a contiguous range of the gradient memory that travels as one collective.
type Bucket struct {
	optim.Span
	first, last int // indices of its parameters; a bucket ends where the next earlier one begins
}

// Len is its number of elements.
func (b Bucket) Len() int { return b.To - b.From }

func (b Bucket) of(whole op.Buffer) op.Buffer { return whole.Slice(b.From, b.Len()) }

// Plan divides the gradients into buckets, in the order in which they leave: the last layer's first.
type Plan []Bucket

// bucketBytesFor is the least size of a bucket where none is configured: an eighth of the gradients, so that most are on
// their way while backward runs, within bounds below which a collective costs more than it hides, and above which little
// is left to gain.
func bucketBytesFor(params []nn.Param) int {
	total := 0
	for _, p := range params {
		total += 4 * p.Len
	}
	return min(max(total/8, 64<<10), 8<<20)
}

// BucketBytesFor is c.BucketBytes, or what the model decides.
func (c Config) BucketBytesFor(params []nn.Param) int {
	if c.BucketBytes == 0 {
		return bucketBytesFor(params)
	}
	return c.BucketBytes
}

// span is where one parameter lies in the flat memory, in elements.
type span struct {
	offset, length int
	apart          bool // it is a bucket of its own
}

// NewPlan divides the gradients of a model. A parameter that PowerSGD compresses is a bucket of its own. The plan depends on
// nothing but its arguments, so that it is the same on all ranks.
func NewPlan(c Config, params []nn.Param) Plan {
	spans := make([]span, len(params))
	for i, p := range params {
		spans[i] = span{p.Offset, p.Len, c.Compresses(p)}
	}
	return divide(spans, c.BucketBytesFor(params))
}

// divide groups the parameters from the last to the first, the order in which backward finishes them, into buckets of at
// least bucketBytes each but the final one and those next to a parameter apart.
func divide(params []span, bucketBytes int) Plan {
	var plan Plan
	for i := len(params) - 1; i >= 0; {
		b := Bucket{optim.Span{From: params[i].offset, To: params[i].offset + params[i].length}, i, i}
		for 4*b.Len() < bucketBytes && b.first > 0 && !params[i].apart && !params[b.first-1].apart {
			b.first--
			b.From = params[b.first].offset
		}
		plan = append(plan, b)
		i = b.first - 1
	}
	return plan
}

// Spans are where the buckets lie.
func (p Plan) Spans() []optim.Span {
	spans := make([]optim.Span, len(p))
	for i, b := range p {
		spans[i] = b.Span
	}
	return spans
}

// Cuts are the parameters whose gradients complete a bucket, where backward finishes gradients in the given order: an
// accelerator's backward pass is cut behind them, so that the bucket can be copied while it goes on.
func (p Plan) Cuts(order []int) []int {
	var cuts []int
	f := newFlow(p, len(order))
	for _, param := range order {
		if from, to := f.ready(param); from < to {
			cuts = append(cuts, param)
		}
	}
	return cuts
}

// owned is what a rank updates of the buckets, in a ring of this configuration.
func (p Plan) owned(c Config, ring allreduce.Config, rank int) optim.Ownership {
	if !c.Shard {
		return optim.OwnAll(p.Spans())
	}
	return optim.OwnShard(p.Spans(), func(length int) []optim.Span {
		var spans []optim.Span
		for _, r := range ring.Shard(length, rank) {
			spans = append(spans, optim.Span(r))
		}
		return spans
	})
}
