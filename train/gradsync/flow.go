package gradsync

// flow says which buckets are complete and which may leave as gradients become final. Buckets leave strictly in the order
// of the plan, whatever the order of the gradients, because every rank must start the same collectives in the same order,
// and none before the flow is open: the check of the losses comes first.
type flow struct {
	plan    Plan
	owner   []int // bucket of each parameter
	missing []int // gradients that each bucket still waits for

	complete int // buckets whose gradients are final, from the first
	left     int // buckets that have left
	open     bool
}

func newFlow(plan Plan, params int) *flow {
	f := &flow{plan: plan, owner: make([]int, params), missing: make([]int, len(plan))}
	for b, bucket := range plan {
		for p := bucket.first; p <= bucket.last; p++ {
			f.owner[p] = b
		}
	}
	f.reset()
	return f
}

// reset begins a new step.
func (f *flow) reset() {
	for b, bucket := range f.plan {
		f.missing[b] = bucket.last - bucket.first + 1
	}
	f.complete, f.left, f.open = 0, 0, false
}

// ready marks parameter p's gradient as final and returns the buckets [from, to) that are complete by it.
func (f *flow) ready(p int) (from, to int) {
	f.missing[f.owner[p]]--
	from = f.complete
	for f.complete < len(f.plan) && f.missing[f.complete] == 0 {
		f.complete++
	}
	return from, f.complete
}

// leaving returns the buckets [from, to) that leave now: all that are complete, once the flow is open.
func (f *flow) leaving() (from, to int) {
	from = f.left
	if f.open {
		f.left = f.complete
	}
	return from, f.left
}

// done says whether every bucket has left.
func (f *flow) done() bool { return f.left == len(f.plan) }
