package timeline

import (
	"cmp"
	"slices"
	"time"
)

// stepEvents is what a rank recorded of one step.
type stepEvents struct {
	rank       *Rank
	step       int32
	begin, end time.Duration
	events     []Event // by begin; those between steps are left out
}

// wholeSteps are the steps of each rank that all ranks have from begin to end, in ascending order.
func wholeSteps(ranks []Rank) [][]stepEvents {
	all := make([][]stepEvents, len(ranks))
	have := map[int32]int{}
	for i := range ranks {
		all[i] = steps(&ranks[i])
		for _, s := range all[i] {
			have[s.step]++
		}
	}
	for i := range all {
		all[i] = slices.DeleteFunc(all[i], func(s stepEvents) bool { return have[s.step] < len(ranks) })
	}
	return all
}

// stepCount is the number of steps that each rank has.
func stepCount(all [][]stepEvents) int {
	if len(all) == 0 {
		return 0
	}
	return len(all[0])
}

// steps groups a rank's events by step. A step without its wait for data, or without an update, is not whole.
func steps(r *Rank) []stepEvents {
	events := slices.Clone(r.Events)
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Begin, b.Begin))
	})
	var out []stepEvents
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].Step == events[0].Step {
			n++
		}
		group := events[:n]
		events = events[n:]
		var next *Event
		if len(events) > 0 && events[0].Step == group[0].Step+1 {
			next = &events[0]
		}
		if s, whole := newStepEvents(r, group, next); whole {
			out = append(out, s)
		}
	}
	return out
}

// newStepEvents makes a step of its events; next is the first event of the step that follows, or nil.
func newStepEvents(r *Rank, group []Event, next *Event) (s stepEvents, whole bool) {
	s = stepEvents{rank: r, step: group[0].Step}
	var between *Event
	data, updated := false, false
	for i := range group {
		e := &group[i]
		if e.Kind == Eval || e.Kind == Check || e.Kind == Checkpoint {
			if between == nil {
				between = e
			}
			continue
		}
		if e.Kind == Data && !data {
			s.begin, data = e.Begin, true
		}
		updated = updated || e.Kind == Optimizer
		s.end = max(s.end, e.End)
		s.events = append(s.events, *e)
	}
	switch {
	case between != nil:
		s.end = max(s.end, between.Begin)
	case next != nil && next.Kind == Data:
		s.end = max(s.end, next.Begin)
	}
	return s, data && updated
}
