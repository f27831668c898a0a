package gradsync

import "ringloom/nn/op"

// residuals are what this rank has yet to add to the sums of gradients: what its wire format or PowerSGD's factors have
// lost. A step leaves the new ones of a bucket beside the committed ones and only its commit takes them over, so that a
// step that is dropped loses nothing. nil is for a run that loses nothing.
type residuals struct {
	plan Plan
	half [2]op.Buffer // each laid out as the parameters
	live []int        // by bucket: which half is committed
	next []bool       // by bucket: the step has left new ones in the other half
}

func newResiduals(device op.Device, length int, plan Plan) (*residuals, error) {
	r := &residuals{plan: plan, live: make([]int, len(plan)), next: make([]bool, len(plan))}
	for i := range r.half {
		var err error
		if r.half[i], err = op.HostAlloc(device, length); err != nil {
			return nil, preparing("error feedback", err)
		}
	}
	return r, nil
}

// committed is the bucket's residual of the step before.
func (r *residuals) committed(b int) []float32 { return r.plan[b].of(r.half[r.live[b]]).Host }

// spare is where the step leaves the bucket's new residual, all of which it writes.
func (r *residuals) spare(b int) []float32 {
	r.next[b] = true
	return r.plan[b].of(r.half[1-r.live[b]]).Host
}

// fork is spare with the committed residual in it, for what works in place.
func (r *residuals) fork(b int) []float32 {
	spare := r.spare(b)
	copy(spare, r.committed(b))
	return spare
}

// commit takes over what the step has left.
func (r *residuals) commit() {
	if r == nil {
		return
	}
	for b, next := range r.next {
		if next {
			r.live[b], r.next[b] = 1-r.live[b], false
		}
	}
}

// abort forgets what the step has left.
func (r *residuals) abort() {
	if r != nil {
		clear(r.next)
	}
}

// store copies the committed residuals to dst, which is laid out as the parameters.
func (r *residuals) store(dst []float32) {
	for b := range r.plan {
		copy(r.plan[b].slice(dst), r.committed(b))
	}
}

// load makes src the committed residuals.
func (r *residuals) load(src []float32) {
	for b := range r.plan {
		copy(r.committed(b), r.plan[b].slice(src))
	}
}

func (b Bucket) slice(whole []float32) []float32 { return whole[b.From:b.To] }
