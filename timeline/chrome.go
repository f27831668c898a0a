package timeline

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// The threads of a rank's process in the trace, from top to bottom. Communication has as many as overlap, from
// threadComm on.
const (
	threadSteps = 1 + iota
	threadCompute
	threadUpdate
	threadComm
)

// WriteChrome writes all ranks in the JSON array format of Chrome's trace events, which https://ui.perfetto.dev and
// chrome://tracing open. A rank is a process and its times are on rank 0's clock, from the first event of all ranks on.
// Events of a thread follow each other: collectives that overlap are on threads of their own.
func WriteChrome(w io.Writer, ranks []Rank) error {
	c := &chrome{w: bufio.NewWriter(w), zero: math.MaxInt64}
	sorted := slices.Clone(ranks)
	slices.SortStableFunc(sorted, func(a, b Rank) int { return cmp.Compare(a.Rank, b.Rank) })
	for i := range sorted {
		for _, e := range sorted[i].Events {
			c.zero = min(c.zero, sorted[i].at(e.Begin))
		}
	}
	for i := range sorted {
		c.rank(&sorted[i])
	}
	if c.open {
		c.w.WriteString("\n]\n")
	} else {
		c.w.WriteString("[]\n")
	}
	return cmp.Or(c.err, c.w.Flush())
}

// chrome writes trace events. The writer keeps the first error until Flush.
type chrome struct {
	w    *bufio.Writer
	zero int64 // nanoseconds since 1970 on rank 0's clock
	open bool
	err  error
}

// traceEvent is one object of the format. Times are in microseconds.
type traceEvent struct {
	Name  string      `json:"name"`
	Kind  string      `json:"cat,omitempty"`
	Phase string      `json:"ph"`
	Begin json.Number `json:"ts,omitempty"`
	Time  json.Number `json:"dur,omitempty"`
	Rank  int         `json:"pid"` // from 1: Perfetto takes 0 for the idle task
	Track int         `json:"tid"` // from 1

	Args any `json:"args,omitempty"`
}

type (
	nameArgs struct {
		Name string `json:"name"`
	}
	sortArgs struct {
		SortIndex int `json:"sort_index"`
	}
	labelArgs struct {
		Labels string `json:"labels"`
	}
	eventArgs struct {
		Step   int32  `json:"step"`
		Bucket *int32 `json:"bucket,omitempty"`
		Bytes  int64  `json:"bytes,omitempty"`
	}
)

// rank writes a process.
func (c *chrome) rank(r *Rank) {
	meta := func(name string, track int, args any) {
		c.put(traceEvent{Name: name, Phase: "M", Rank: r.Rank + 1, Track: track, Args: args})
	}
	meta("process_name", threadSteps, nameArgs{fmt.Sprintf("rank %d: %s (%s)", r.Rank, r.Node, r.Device)})
	meta("process_sort_index", threadSteps, sortArgs{r.Rank})
	if r.Rank != 0 {
		meta("process_labels", threadSteps, labelArgs{fmt.Sprintf("clock right to %v", r.Uncertainty)})
	}
	lanes, used := lanes(r.Events)
	for track := threadSteps; track < threadComm+used; track++ {
		name := [...]string{threadSteps: "steps", threadCompute: "compute", threadUpdate: "optimizer, wait", threadComm: "communication"}[min(track, threadComm)]
		if track > threadComm {
			name += fmt.Sprintf(" %d", track-threadComm+1)
		}
		meta("thread_name", track, nameArgs{name})
		meta("thread_sort_index", track, sortArgs{track})
	}
	for _, s := range steps(r) {
		c.span(r, threadSteps, Event{Step: s.step, Bucket: -1, Begin: s.begin, End: s.end}, fmt.Sprintf("step %d", s.step), "step")
	}
	for i, e := range r.Events {
		name := e.Kind.String()
		if e.Bucket >= 0 {
			name = fmt.Sprintf("%s %d", name, e.Bucket)
		}
		c.span(r, thread(e.Kind, lanes[i]), e, name, e.Kind.String())
	}
}

// thread is where an event is drawn. lane is that of a collective.
func thread(kind Kind, lane int) int {
	switch {
	case kind.collective():
		return threadComm + lane
	case kind == Wait || kind == Optimizer || kind == Check:
		return threadUpdate
	}
	return threadCompute
}

// span writes something that took time.
func (c *chrome) span(r *Rank, track int, e Event, name, kind string) {
	args := eventArgs{Step: e.Step, Bytes: e.Bytes}
	if e.Bucket >= 0 {
		args.Bucket = &e.Bucket
	}
	c.put(traceEvent{
		Name: name, Kind: kind, Phase: "X", Begin: microseconds(r.at(e.Begin) - c.zero), Time: microseconds(int64(e.End - e.Begin)),
		Rank: r.Rank + 1, Track: track, Args: args,
	})
}

func (c *chrome) put(e traceEvent) {
	line, err := json.Marshal(e)
	if err != nil {
		c.err = cmp.Or(c.err, err)
		return
	}
	separator := ",\n"
	if !c.open {
		separator, c.open = "[\n", true
	}
	c.w.WriteString(separator)
	c.w.Write(line)
}

// microseconds prints nanoseconds to the last digit: two spans that meet must not seem to overlap.
func microseconds(ns int64) json.Number {
	return json.Number(fmt.Sprintf("%d.%03d", ns/1000, ns%1000))
}

// lanes puts collectives that overlap in time on different lanes, each on the lowest that is free, and returns the
// number of lanes.
func lanes(events []Event) (lane []int, used int) {
	lane = make([]int, len(events))
	var order []int
	for i, e := range events {
		if e.Kind.collective() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(events[a].Begin, events[b].Begin) })
	var free []time.Duration // by lane: from when on
	for _, i := range order {
		n := slices.IndexFunc(free, func(t time.Duration) bool { return t <= events[i].Begin })
		if n < 0 {
			n = len(free)
			free = append(free, 0)
		}
		lane[i], free[n] = n, events[i].End
	}
	return lane, len(free)
}
