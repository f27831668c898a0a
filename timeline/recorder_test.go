package timeline

import (
	"slices"
	"testing"
	"time"
)

func TestNilRecorderRecordsNothing(t *testing.T) {
	var r *Recorder
	r.Record(Forward, 0, -1, 0, time.Now(), time.Now())
}

// record adds a step of three events at second step.
func record(r *Recorder, step int) {
	at := r.origin.Add(time.Duration(step) * time.Second)
	r.Record(Data, step, -1, 0, at, at.Add(time.Millisecond))
	r.Record(Forward, step, -1, 0, at.Add(time.Millisecond), at.Add(2*time.Millisecond))
	r.Record(Comm, step, 3, 99, at.Add(time.Millisecond), at.Add(5*time.Millisecond))
}

func TestRecorderKeepsTheNewestWholeSteps(t *testing.T) {
	for _, c := range []struct{ steps, capacity, first, dropped int }{
		{3, 9, 0, 0},
		{3, 100, 0, 0},
		{4, 9, 1, 3},
		{5, 10, 2, 6}, // room for a third of step 1
		{5, 1, 5, 15},
		{0, 5, 0, 0},
	} {
		r := NewRecorder(c.capacity)
		for step := range c.steps {
			record(r, step)
		}
		rank := r.Rank(2, "host", "cpu")
		if rank.Dropped != c.dropped || len(rank.Events) != 3*(c.steps-c.first) {
			t.Errorf("%d steps, room for %d: %d events and %d dropped, want %d and %d",
				c.steps, c.capacity, len(rank.Events), rank.Dropped, 3*(c.steps-c.first), c.dropped)
		}
		for i, e := range rank.Events {
			if want := int32(c.first + i/3); e.Step != want || e.Begin < time.Duration(want)*time.Second || e.Begin > e.End {
				t.Errorf("%d steps, room for %d: event %d is %+v, want one of step %d", c.steps, c.capacity, i, e, want)
			}
		}
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	r := NewRecorder(10)
	at := time.Now()
	if n := testing.AllocsPerRun(100, func() { r.Record(Wait, 1, 2, 0, at, at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNowGoesOnFromTheOrigin(t *testing.T) {
	r := NewRecorder(1)
	a, b := r.Now(), r.Now()
	if origin := r.Rank(0, "", "").Origin; a < origin || b < a {
		t.Errorf("origin %d, then %d and %d", origin, a, b)
	}
}

func TestLastKeepsTheLastSteps(t *testing.T) {
	r := NewRecorder(100)
	for step := range 5 {
		record(r, step)
	}
	for _, steps := range []int{1, 2, 5, 9} {
		rank := r.Rank(0, "", "")
		rank.Last(steps)
		kept := min(steps, 5)
		if len(rank.Events) != 3*kept || rank.Dropped != 15-3*kept || rank.Events[0].Step != int32(5-kept) {
			t.Errorf("the last %d steps: %d events, %d dropped", steps, len(rank.Events), rank.Dropped)
		}
	}
	empty := Rank{}
	empty.Last(3)
	if !slices.Equal(empty.Events, nil) {
		t.Errorf("%v", empty.Events)
	}
}
