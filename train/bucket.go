package train

import "ringloom/nn"

// bucket is a contiguous range of the gradient memory that travels as one all-reduce.
type bucket struct {
	lo, hi int // elements
	first  int // index of its first parameter; a bucket ends where the next earlier one begins
	last   int // index of its last parameter
}

// span is where one parameter lies in the flat memory, in elements.
type span struct {
	offset, length int
	apart          bool // it is a bucket of its own
}

// spans says where the parameters of a list lie, and which of them travel apart.
func (c Config) spans(params []nn.Param) []span {
	spans := make([]span, len(params))
	for i, p := range params {
		spans[i] = span{p.Offset, p.Len, c.compresses(p)}
	}
	return spans
}

// bucketBytesFor is the least size of a bucket where none is configured: an eighth of the gradients, so that most are on their
// way while backward runs, within bounds below which a collective costs more than it hides, and above which little is
// left to gain.
func bucketBytesFor(params []span) int {
	total := 0
	for _, p := range params {
		total += 4 * p.length
	}
	return min(max(total/8, 64<<10), 8<<20)
}

// planBuckets groups the parameters from the last to the first, the order in which backward finishes them, into
// buckets of at least bucketBytes each but the final one and those next to a parameter apart; 0 means bucketBytesFor. The
// plan depends on nothing but its arguments, so that it is the same on all ranks.
func planBuckets(params []span, bucketBytes int) []bucket {
	if bucketBytes == 0 {
		bucketBytes = bucketBytesFor(params)
	}
	var plan []bucket
	for i := len(params) - 1; i >= 0; {
		b := bucket{first: i, last: i, lo: params[i].offset, hi: params[i].offset + params[i].length}
		for (b.hi-b.lo)*4 < bucketBytes && b.first > 0 && !params[i].apart && !params[b.first-1].apart {
			b.first--
			b.lo = params[b.first].offset
		}
		plan = append(plan, b)
		i = b.first - 1
	}
	return plan
}

// bucketTracker says which buckets may start as gradients become final. Buckets start strictly in the order of the
// plan, whatever the order of the gradients, because every rank must start the same collectives in the same order.
type bucketTracker struct {
	plan    []bucket
	owner   []int // bucket of each parameter
	missing []int // gradients each bucket still waits for
	next    int
}

func newBucketTracker(plan []bucket, params int) *bucketTracker {
	t := &bucketTracker{plan: plan, owner: make([]int, params), missing: make([]int, len(plan))}
	for b, bk := range plan {
		for p := bk.first; p <= bk.last; p++ {
			t.owner[p] = b
		}
	}
	t.reset()
	return t
}

// reset begins a new step.
func (t *bucketTracker) reset() {
	for b, bk := range t.plan {
		t.missing[b] = bk.last - bk.first + 1
	}
	t.next = 0
}

// ready marks parameter p's gradient as final and returns the range [from, to) of buckets that may start now.
func (t *bucketTracker) ready(p int) (from, to int) {
	t.missing[t.owner[p]]--
	from = t.next
	for t.next < len(t.plan) && t.missing[t.next] == 0 {
		t.next++
	}
	return from, t.next
}
