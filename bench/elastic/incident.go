package elastic

import (
	"slices"
	"time"
)

// Incident is what one fault, or one join, has cost. Times are in seconds.
type Incident struct {
	Kind   Kind   `json:"what"`
	Ranks  int    `json:"ranks"`  // of the job, when all are there
	Name   string `json:"name"`   // of whom it happened to
	Leader bool   `json:"leader"` // he was rank 0
	Step   int    `json:"step"`   // the last one that was committed before, of the run
	Views  int    `json:"views"`  // in which the others went on: 1, or more where one broke again
	// Pause is the longest that any of the others had between two steps, less what that takes otherwise: of the epoch's first step that is more.
	Pause float64 `json:"pause_seconds"`
	// The parts of the time from the signal on, or in a join from the last step before it on, until the last of the others knew of the
	// view's end, had agreed, had a ring, was at one place with the others, had committed a step.
	Known  float64 `json:"known_seconds"`
	Agreed float64 `json:"agreed_seconds"`
	Ring   float64 `json:"ring_seconds"`
	Place  float64 `json:"place_seconds"`
	Commit float64 `json:"commit_seconds"`
	// Of a join: from the start of its process, or from SIGCONT, to its first step; and the state that went round the ring.
	Start float64 `json:"start_seconds,omitempty"`
	Bytes int64   `json:"state_bytes,omitempty"`
}

// survivor is one of the others in an incident.
type survivor struct {
	changes []Message // its Recovered since the signal, in order
	usual   []int64   // what the step that each one ends with takes otherwise, in nanoseconds
}

// measure makes the figures of an incident from what the others said. signal is when it began, in nanoseconds; 0: with the last step. All
// survivors have one change at least.
func (i *Incident) measure(signal int64, survivors []survivor) {
	var known, agreed, ring, place, commit int64
	last := int64(0)
	for _, s := range survivors {
		i.Views = max(i.Views, len(s.changes))
		pause := int64(0)
		for n, c := range s.changes {
			pause += max(0, c.At-c.Last-s.usual[n])
			i.Bytes = max(i.Bytes, c.Bytes)
		}
		i.Pause = max(i.Pause, seconds(pause))
		first, end := s.changes[0], s.changes[len(s.changes)-1]
		last = max(last, first.Last)
		known = max(known, first.Last+first.Known)
		agreed = max(agreed, end.Last+end.Agreed)
		ring = max(ring, end.Last+end.Ring)
		place = max(place, end.Last+end.Place)
		commit = max(commit, end.At)
	}
	if signal == 0 {
		signal = last
	}
	parts := []*float64{&i.Known, &i.Agreed, &i.Ring, &i.Place, &i.Commit}
	from := signal
	for n, at := range []int64{known, agreed, ring, place, commit} {
		*parts[n] = seconds(max(0, at-from))
		from = max(from, at)
	}
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }

// pace knows what a rank's steps take when nothing happens.
type pace struct {
	ranks   int     // steps of so many count, for those of fewer are longer; 0: all do
	last    Message // the last Stepped
	steps   []int64 // times from one to the next within an epoch
	epochs  []int64 // from an epoch's last to the next one's first
	changed bool    // a change has come since
}

// step takes a Stepped.
func (p *pace) step(m Message) {
	if took := m.At - p.last.At; !p.changed && p.last.At != 0 && (p.ranks == 0 || len(m.Told) == p.ranks) && m.Total() == p.last.Total()+1 {
		if m.Step == 1 {
			p.epochs = append(p.epochs, took)
		} else {
			p.steps = append(p.steps, took)
		}
	}
	p.last, p.changed = m, false
}

// usual is what the step takes that ends with m.
func (p *pace) usual(first bool) int64 {
	if first && len(p.epochs) > 0 {
		return median(p.epochs)
	}
	return median(p.steps)
}

func median(all []int64) int64 {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
