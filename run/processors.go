package run

import (
	"time"

	"ringloom/internal/sysinfo"
)

// What Go calls processors are the threads that may run goroutines at the same time. Idle ones look for work and thereby take a
// core from those that compute, so there should be few. docs/decisions/0015 has the figures.
const (
	// ringProcessors are those beside a rank's compute threads, each of which holds one all the time that it is in the device's
	// code: goroutines of the ring that find none free would wait until the runtime's monitor takes one away.
	ringProcessors = 3
	// shortStep is how long a step takes at most that needs no processor for the ring. Its collectives move on when the
	// compute thread waits for them, which is soon enough.
	shortStep = 20 * time.Millisecond
	// pacedSteps are so many that the fastest of them tells how long steps take.
	pacedSteps = 3
)

// processors fits their number to the steps of this rank.
type processors struct {
	now     func() time.Time
	set     func(n int)
	threads int  // of the device; 0 where the ranks do not compute
	full    bool // the ranks here leave no core free
	short   bool // what the last steps were
	last    time.Time
	fastest time.Duration // of those since short was looked at
	steps   int           // likewise
}

// shareProcessors is for a rank that computes with so many threads, or waits in place of that. Without a function that sets their
// number there is nothing to share.
func (s *Session) shareProcessors(threads int) *processors {
	set := s.member.cfg.SetProcessors
	if set == nil {
		return nil
	}
	ranks := ranksHere(s.View)
	if s.member.cfg.OwnCores {
		ranks = 1 // on the cores that are this rank's
	}
	return newProcessors(ranks, sysinfo.Cores(), threads, time.Now, set)
}

func newProcessors(ranks, cores, threads int, now func() time.Time, set func(int)) *processors {
	p := &processors{now: now, set: set, threads: threads, full: threads > 0 && ranks*threads >= cores}
	if threads == 0 {
		set(max(1, cores/ranks))
	} else {
		set(p.many())
	}
	return p
}

func (p *processors) many() int { return p.threads + ringProcessors }

// step is called after every step. Between short and long lies a factor of two, so that steps at the limit do not change the
// number all the time: the runtime stops everything for that.
func (p *processors) step() {
	if p == nil || !p.full {
		return
	}
	now := p.now()
	if took := now.Sub(p.last); !p.last.IsZero() {
		if p.steps == 0 || took < p.fastest {
			p.fastest = took
		}
		p.steps++
	}
	p.last = now
	if p.steps < pacedSteps {
		return
	}
	p.steps = 0
	switch {
	case !p.short && p.fastest <= shortStep:
		p.short = true
		p.set(1)
	case p.short && p.fastest > 2*shortStep:
		p.short = false
		p.set(p.many())
	}
}
