package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// The first SIGTERM asks, the second interrupts, unless it is an echo; SIGINT interrupts at once.
func TestWhichSignalInterrupts(t *testing.T) {
	const term, interrupt = syscall.SIGTERM, syscall.SIGINT
	for name, c := range map[string]struct {
		echoes time.Duration
		armed  bool
		gets   []os.Signal
		want   os.Signal
		left   int // signals that are not taken
		asked  bool
	}{
		"not armed":                {0, false, []os.Signal{term, interrupt}, term, 1, false},
		"interrupted":              {0, true, []os.Signal{interrupt, term}, interrupt, 1, false},
		"asked twice":              {0, true, []os.Signal{term, term, interrupt}, term, 1, true},
		"asked, then interrupted":  {0, true, []os.Signal{term, interrupt, term}, interrupt, 1, true},
		"asked with echoes":        {time.Hour, true, []os.Signal{term, term, term, interrupt}, interrupt, 0, true},
		"interrupted after echoes": {time.Hour, true, []os.Signal{term, term, interrupt, term}, interrupt, 1, true},
	} {
		var l leaveRequest
		var wish <-chan struct{}
		if c.armed {
			wish = l.arm(time.Hour, c.echoes)
		}
		signals := make(chan os.Signal, len(c.gets))
		for _, s := range c.gets {
			signals <- s
		}
		got := l.first(signals)
		asked := false
		select {
		case <-wish:
			asked = true
		default:
		}
		if got != c.want || len(signals) != c.left || asked != c.asked {
			t.Errorf("%s: %v with %d left, asked %v", name, got, len(signals), asked)
		}
	}
	var l leaveRequest
	wish := l.arm(time.Nanosecond, 0)
	signals := make(chan os.Signal, 1)
	signals <- term
	if got := l.first(signals); got != term {
		t.Errorf("after the time to leave in: %v", got)
	}
	<-wish
}
