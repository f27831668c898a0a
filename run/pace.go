package run

import (
	"slices"
	"time"
)

// pace knows when steps end, and so what a change of the view costs.
type pace struct {
	last    time.Time       // the end of the last step, or the beginning of the first
	took    []time.Duration // by the last steps
	changes bool            // a view has ended behind the last step
	points  Recovered       // when what was done meanwhile, counted from the last step
}

// since is the time from the last step on; 0 before the first.
func (p *pace) since() time.Duration {
	if p.last.IsZero() {
		return 0
	}
	return time.Since(p.last)
}

// begins is called before the first step.
func (p *pace) begins() { p.last = time.Now() }

// known is called when this rank's work in a view has ended.
func (p *pace) known() {
	if !p.changes {
		p.changes, p.points = true, Recovered{Known: p.since()}
	}
}

// agreed, ringThere and atOnePlace are called as the next view comes about. Where that fails on the way the last time counts.
func (p *pace) agreed() { p.points.Agreed = p.since() }

func (p *pace) ringThere() { p.points.Ring = p.since() }

func (p *pace) atOnePlace() { p.points.AtOnePlace = p.since() }

// stepped is called after every step. It is true for the first one in a view that follows another.
func (p *pace) stepped() (r Recovered, changed bool) {
	took := p.since()
	p.last = time.Now()
	if p.changes {
		p.changes = false
		r = p.points
		r.Pause = max(0, took-p.usual())
		return r, true
	}
	if p.took = append(p.took, took); len(p.took) > mostSteps {
		p.took = p.took[1:]
	}
	return r, false
}

// mostSteps are so many that their median is what a step takes.
const mostSteps = 15

// usual is what a step takes.
func (p *pace) usual() time.Duration {
	if len(p.took) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(p.took))[len(p.took)/2]
}
