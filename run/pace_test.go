package run

import (
	"testing"
	"testing/synctest"
	"time"
)

// A change of the view costs what lies between two steps, less what a step takes.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		p.begins()
		for range 3 {
			time.Sleep(20 * time.Millisecond)
			if _, changed := p.stepped(); changed {
				t.Error("a step without a change")
			}
		}
		after := func(d time.Duration, what func()) { time.Sleep(d * time.Millisecond); what() }
		after(5, p.known)
		after(1, p.agreed)
		after(2, p.ringThere)
		after(7, p.known) // that view ended too
		after(1, p.agreed)
		after(2, p.ringThere)
		after(3, p.atOnePlace)
		time.Sleep(29 * time.Millisecond)
		r, changed := p.stepped()
		want := Recovered{Pause: 30e6, Known: 5e6, Agreed: 16e6, Ring: 18e6, AtOnePlace: 21e6}
		if !changed || r.Pause != want.Pause || r.Known != want.Known || r.Agreed != want.Agreed || r.Ring != want.Ring || r.AtOnePlace != want.AtOnePlace {
			t.Errorf("%v, %+v, want %+v", changed, r, want)
		}
		time.Sleep(20 * time.Millisecond)
		if _, changed := p.stepped(); changed {
			t.Error("told twice")
		}
	})
}
