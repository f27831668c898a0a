package timeline

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// script is a rank whose clock is behind rank 0's by offset, doing what is given; times in milliseconds on rank 0's
// clock.
func script(rank int, offset time.Duration, events ...Event) Rank {
	const origin = 1_000_000_000
	r := Rank{Rank: rank, Node: "node", Device: "cpu", Origin: origin - int64(offset), Offset: offset, Uncertainty: 12 * time.Microsecond}
	for _, e := range events {
		e.Begin, e.End = e.Begin*ms, e.End*ms
		r.Events = append(r.Events, e)
	}
	return r
}

// do is an event of step between two times in milliseconds.
func do(kind Kind, step, bucket int, begin, end time.Duration) Event {
	e := Event{Kind: kind, Step: int32(step), Bucket: int32(bucket), Begin: begin, End: end}
	if kind == Comm {
		e.Bytes = 1000
	}
	return e
}

// two ranks of two buckets; rank 1 hands in its last gradient 4 ms after rank 0. Step 1 is cut short on rank 1.
func twoRanks() []Rank {
	return []Rank{
		script(0, 0,
			do(Data, 0, -1, 0, 1), do(Forward, 0, -1, 1, 3), do(Backward, 0, -1, 3, 6),
			do(Wait, 0, -1, 6, 6), do(FiniteCheck, 0, -1, 3, 4),
			do(Wait, 0, 0, 6, 7), do(Comm, 0, 0, 4, 7), do(Optimizer, 0, 0, 7, 8),
			do(Wait, 0, 1, 8, 12), do(Comm, 0, 1, 6, 12), do(Optimizer, 0, 1, 12, 13),
			do(Check, 0, -1, 14, 15),
			do(Data, 1, -1, 16, 17), do(Forward, 1, -1, 17, 18), do(Optimizer, 1, -1, 18, 19),
			do(Eval, 1, -1, 20, 30)),
		script(1, time.Hour,
			do(Data, 0, -1, 0, 1), do(Forward, 0, -1, 1, 4), do(Backward, 0, -1, 4, 10),
			do(Wait, 0, -1, 10, 10), do(FiniteCheck, 0, -1, 4, 4),
			do(Wait, 0, 0, 10, 10), do(Comm, 0, 0, 6, 7), do(Optimizer, 0, 0, 10, 11),
			do(Wait, 0, 1, 11, 12), do(Comm, 0, 1, 10, 12), do(Optimizer, 0, 1, 12, 13),
			do(Data, 1, -1, 16, 17)),
	}
}

func TestBreakdown(t *testing.T) {
	steps := Breakdown(twoRanks())
	want := []Step{
		// Hidden: 3-4 and 4-6 beside backward, 7-8 beside an update. The last gradient came at 10: of the waits 6-7 and
		// 8-10.
		{Data: 1, Forward: 2, Backward: 3, ExposedComm: 5, Optimizer: 2, Other: 1, Total: 14, HiddenComm: 4, Straggler: 3},
		// Hidden: 6-7 beside backward, 10-11 beside an update. The step lasts until the next one's data.
		{Data: 1, Forward: 3, Backward: 6, ExposedComm: 1, Optimizer: 2, Other: 3, Total: 16, HiddenComm: 2, Straggler: 0},
	}
	if len(steps) != 2 || len(steps[0]) != 1 || len(steps[1]) != 1 {
		t.Fatalf("%v, want one step on each of two ranks", steps)
	}
	for rank, s := range steps {
		checkStep(t, rank, s[0], want[rank])
	}
}

// checkStep compares with want, in milliseconds.
func checkStep(t *testing.T, rank int, s, want Step) {
	t.Helper()
	near := func(a, b float64) bool { return math.Abs(1e3*a-b) < 1e-9 }
	if !near(s.Data, want.Data) || !near(s.Forward, want.Forward) || !near(s.Backward, want.Backward) || !near(s.ExposedComm, want.ExposedComm) ||
		!near(s.Optimizer, want.Optimizer) || !near(s.Other, want.Other) || !near(s.Total, want.Total) ||
		!near(s.HiddenComm, want.HiddenComm) || !near(s.Straggler, want.Straggler) || s.Step != want.Step {
		t.Errorf("rank %d: %+v seconds, want %+v milliseconds", rank, s, want)
	}
}

// Exchanges of moments lie within a pass: they are waits, not computation, and their straggler is who comes last to
// each.
func TestBreakdownOfSharedMoments(t *testing.T) {
	steps := Breakdown([]Rank{
		script(0, 0,
			do(Data, 7, -1, 0, 0), do(Moments, 7, -1, 2, 5), do(Forward, 7, -1, 0, 6), do(Moments, 7, -1, 8, 9),
			do(Backward, 7, -1, 6, 10), do(Wait, 7, 0, 10, 10), do(Comm, 7, 0, 10, 10), do(Optimizer, 7, 0, 10, 11)),
		script(1, -time.Second,
			do(Data, 7, -1, 0, 0), do(Moments, 7, -1, 4, 5), do(Forward, 7, -1, 0, 6), do(Moments, 7, -1, 7, 9),
			do(Backward, 7, -1, 6, 10), do(Wait, 7, 0, 10, 10), do(Comm, 7, 0, 10, 10), do(Optimizer, 7, 0, 10, 11)),
	})
	checkStep(t, 0, steps[0][0], Step{Step: 7, Forward: 3, Backward: 3, ExposedComm: 4, Optimizer: 1, Total: 11, Straggler: 2})
	checkStep(t, 1, steps[1][0], Step{Step: 7, Forward: 5, Backward: 2, ExposedComm: 3, Optimizer: 1, Total: 11, Straggler: 1})
}

func TestBreakdownOfNothing(t *testing.T) {
	if got := Breakdown(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := Breakdown([]Rank{{}, twoRanks()[0]}); len(got) != 2 || len(got[0])+len(got[1]) != 0 {
		t.Errorf("%v: there is no step that both ranks have", got)
	}
}
