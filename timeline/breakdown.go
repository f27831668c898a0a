package timeline

import "time"

// Step is where one step of one rank went, in seconds. Data, Forward, Backward, ExposedComm, Optimizer and Other add up
// to Total.
type Step struct {
	Step int
	// Data is the wait for the batch; Forward and Backward are the passes without the exchanges of moments in them.
	Data, Forward, Backward float64
	// ExposedComm is the training thread's wait for the ring.
	ExposedComm float64
	Optimizer   float64
	// Other is the rest: progress, the loop itself.
	Other float64
	// Total is from the step's wait for data to that of the next, or to what comes between them (Eval, Check,
	// Checkpoint).
	Total float64
	// HiddenComm is the time in which a collective ran while this rank computed (Forward, Backward, Optimizer).
	HiddenComm float64
	// Straggler is the part of ExposedComm in which the slowest rank had not yet handed in its last gradient, or its
	// moments.
	Straggler float64
}

// Breakdown says where the time of the steps went that all ranks have recorded from begin to end: by rank as in ranks,
// by step in ascending order, the same steps for every rank. Only Straggler depends on the clocks' offsets.
func Breakdown(ranks []Rank) [][]Step {
	all := wholeSteps(ranks)
	out := make([][]Step, len(ranks))
	for k := range stepCount(all) {
		same := make([]*stepEvents, len(all))
		for i := range all {
			same[i] = &all[i][k]
		}
		late := lastHandIns(same)
		for i, s := range same {
			out[i] = append(out[i], s.breakdown(late))
		}
	}
	return out
}

// handIns are moments, on rank 0's clock, at which the last rank had done its part.
type handIns struct {
	gradients int64
	moments   []int64 // by the order of the exchanges in the step
}

// lastHandIns looks at the same step on all ranks.
func lastHandIns(same []*stepEvents) handIns {
	var h handIns
	for _, s := range same {
		k := 0
		for _, e := range s.events {
			switch at := s.rank.at(e.Begin); e.Kind {
			case Comm:
				h.gradients = max(h.gradients, at)
			case Moments:
				if k == len(h.moments) {
					h.moments = append(h.moments, at)
				}
				h.moments[k] = max(h.moments[k], at)
				k++
			}
		}
	}
	return h
}

func (s *stepEvents) breakdown(late handIns) Step {
	out := Step{Step: int(s.step), Total: (s.end - s.begin).Seconds()}
	var compute, waits, rings spans
	var busy time.Duration // in parts; moments lie within the passes
	exchange := 0
	for _, e := range s.events {
		own := span{e.Begin, e.End}
		switch e.Kind {
		case Data:
			out.Data += own.seconds()
		case Forward:
			out.Forward += own.seconds()
			compute = append(compute, own)
		case Backward:
			out.Backward += own.seconds()
			compute = append(compute, own)
		case Optimizer:
			out.Optimizer += own.seconds()
			compute = append(compute, own)
		case Wait:
			waits = append(waits, own)
			out.ExposedComm += own.seconds()
			out.Straggler += own.before(s.rank, late.gradients)
		case Moments:
			waits = append(waits, own)
			out.ExposedComm += own.seconds()
			out.Straggler += own.before(s.rank, late.moments[exchange])
			exchange++
		}
		if e.Kind.collective() {
			rings = append(rings, own)
		} else {
			busy += own.end - own.begin
		}
	}
	for _, e := range s.events {
		switch e.Kind {
		case Forward:
			out.Forward -= spans{{e.Begin, e.End}}.overlap(waits)
		case Backward:
			out.Backward -= spans{{e.Begin, e.End}}.overlap(waits)
		}
	}
	out.HiddenComm = compute.overlap(rings.union()) - compute.overlap(waits.union())
	out.Other = (s.end - s.begin - busy).Seconds()
	return out
}
