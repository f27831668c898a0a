package gradsync

import (
	"context"

	"ringloom/allreduce"
)

// Report is what a rank tells all the others in every step, as soon as it knows its losses.
type Report struct {
	Losses  Losses
	Loss    float64 // this rank's share of the mean over the global batch, in nats
	Correct int     // of its samples
	Samples int
	// Wants is what the rank wishes to happen behind the step.
	Wants Wish
}

// Wish is a set of what ranks may want of the cluster behind a step. Every rank sees every rank's in the same step.
type Wish uint8

const (
	// Leaves says that the rank leaves behind the step.
	Leaves Wish = 1 << iota
	// Admits says that somebody waits to be admitted.
	Admits
)

// reportWords is how many numbers a report has on its way: the code of a loss that is not finite, the loss in two parts, the counts and
// the wishes. Each is summed with the zeros of all other ranks, and so arrives as it is.
const reportWords = 6

// reports takes every rank's report to all. It is a vector of all ranks' words, summed over the ring while backward runs: so nobody waits
// for it, and every rank has the same when the sums of the step are there.
type reports struct {
	ring    *allreduce.Group
	words   []float32 // [ranks, reportWords]
	pending *allreduce.Pending
	all     []Report // by rank, of the step under way once wait has returned
}

func newReports(ring *allreduce.Group, world int) *reports {
	return &reports{ring: ring, words: make([]float32, world*reportWords), all: make([]Report, world)}
}

// start sends this rank's. bucket is a number that no gradient's bucket has.
func (r *reports) start(own Report, rank, bucket int) {
	clear(r.words)
	own.encode(r.words[rank*reportWords:])
	r.pending = r.ring.StartAllReduce(r.words, allreduce.Sum{Bucket: bucket})
}

// wait returns a LossError where a rank's loss is not finite.
func (r *reports) wait(ctx context.Context) (bad *LossError, err error) {
	if err := r.pending.Wait(ctx); err != nil {
		return nil, err
	}
	for rank := range r.all {
		r.all[rank] = decodeReport(r.words[rank*reportWords:])
		if l := r.all[rank].Losses; l.bad && bad == nil {
			bad = &LossError{rank, l.micro, l.value}
		}
	}
	return bad, nil
}

func (r Report) encode(words []float32) {
	if r.Losses.bad {
		words[0] = encodeLoss(r.Losses.micro, r.Losses.value)
	} else {
		words[1], words[2] = parts(r.Loss)
	}
	words[3], words[4], words[5] = float32(r.Correct), float32(r.Samples), float32(r.Wants)
}

func decodeReport(words []float32) Report {
	r := Report{Loss: whole(words[1], words[2]), Correct: int(words[3]), Samples: int(words[4]), Wants: Wish(words[5])}
	if words[0] != 0 {
		r.Losses.bad = true
		r.Losses.micro, r.Losses.value = decodeLoss(words[0])
	}
	return r
}

// parts are two numbers that add up to x, but for its last bits.
func parts(x float64) (high, low float32) {
	high = float32(x)
	if Finite(float64(high)) {
		low = float32(x - float64(high))
	}
	return high, low
}

func whole(high, low float32) float64 { return float64(high) + float64(low) }
