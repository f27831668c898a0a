package elastic

import (
	"math"
	"testing"
)

const ms = 1_000_000

// Two survivors of a kill at 1000 ms: every stage lasts until the slower one has passed it, and the pause is the longer one.
func TestMeasure(t *testing.T) {
	i := Incident{}
	i.measure(1000*ms, []survivor{
		{[]Message{{At: 1100 * ms, Last: 990 * ms, Known: 20 * ms, Agreed: 50 * ms, Ring: 60 * ms, Place: 70 * ms}}, []int64{20 * ms}},
		{[]Message{{At: 1099 * ms, Last: 995 * ms, Known: 25 * ms, Agreed: 40 * ms, Ring: 75 * ms, Place: 80 * ms, Bytes: 7}}, []int64{5 * ms}},
	})
	for name, pair := range map[string][2]float64{
		"pause": {i.Pause, 0.099}, "known": {i.Known, 0.020}, "agreed": {i.Agreed, 0.020}, "ring": {i.Ring, 0.030}, "place": {i.Place, 0.005},
		"commit": {i.Commit, 0.025},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if i.Views != 1 || i.Bytes != 7 {
		t.Errorf("%+v", i)
	}
}

// A view that breaks again: its pauses add up, and what the first change began the last one ends. Without a signal time begins with the step.
func TestMeasureTwoViews(t *testing.T) {
	i := Incident{}
	i.measure(0, []survivor{{[]Message{
		{At: 200 * ms, Last: 100 * ms, Known: 10 * ms, Agreed: 20 * ms, Ring: 30 * ms, Place: 40 * ms},
		{At: 500 * ms, Last: 300 * ms, Known: 10 * ms, Agreed: 20 * ms, Ring: 30 * ms, Place: 40 * ms},
	}, []int64{10 * ms, 50 * ms}}})
	if i.Views != 2 || math.Abs(i.Pause-0.240) > 1e-9 || math.Abs(i.Known-0.010) > 1e-9 || math.Abs(i.Agreed-0.210) > 1e-9 || math.Abs(i.Commit-0.160) > 1e-9 {
		t.Errorf("%+v", i)
	}
}

// What a step takes counts no change, no epoch's end and no step of fewer ranks.
func TestPace(t *testing.T) {
	p := pace{ranks: 2}
	told := []int{1, 1}
	at := int64(0)
	step := func(epoch, n int, took int64) {
		at += took * ms
		p.step(Message{At: at, Epoch: epoch, Step: n, Steps: 4, Told: told})
	}
	step(1, 1, 50)
	step(1, 2, 10)
	step(1, 3, 12)
	p.changed = true
	step(1, 4, 900)
	step(2, 1, 100)
	step(2, 2, 11)
	told = told[:1]
	for n := range 2 {
		step(2, 3+n, 40) // alone
	}
	if got := p.usual(false); got != 11*ms {
		t.Errorf("a step takes %d ns", got)
	}
	if got := p.usual(true); got != 100*ms {
		t.Errorf("the first one takes %d ns", got)
	}
}

func TestQuantiles(t *testing.T) {
	r := Result{Took: 100, Paused: 5}
	for n := range 10 {
		r.Incidents = append(r.Incidents, Incident{Kind: Kill, Pause: float64(10 - n), Leader: n < 3}, Incident{Kind: Join, Pause: 0.5})
	}
	rows := r.Rows()
	if len(rows) != 2 || rows[0].Count != 10 || rows[0].Leaders != 3 || rows[0].Pause != (Quantiles{5, 9, 10, 10}) || rows[1].Kind != Join {
		t.Errorf("%+v", rows)
	}
	if g := r.Goodput(); math.Abs(g-0.95) > 1e-9 {
		t.Errorf("goodput %v", g)
	}
	if g := r.GoodputAt(60); math.Abs(g-0.9) > 1e-9 {
		t.Errorf("with a kill a minute %v", g)
	}
}
