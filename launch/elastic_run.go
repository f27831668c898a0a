package launch

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// heard is something that a slot's process has said: an address, or that it is in a cluster.
type heard struct {
	slot    int
	address string // empty for the second
}

// runElastic does what a roster says, until that is over.
func (l *launcher) runElastic(ctx context.Context) (Outcome, error) {
	e := *l.Elastic
	report := e.OnEvent
	e.OnEvent = func(event any) {
		l.outputMu.Lock()
		defer l.outputMu.Unlock()
		report(event)
	}
	cfg := l.Config
	cfg.Elastic = &e
	r := newRoster(cfg)
	var outcome Outcome
	said := make(chan heard)
	crew := map[int]*process{} // that fill the slots
	timer := time.NewTimer(0)
	defer timer.Stop()
	interrupt, leave := ctx.Done(), e.Leave
	if ctx.Err() != nil {
		r.stop()
	}
	for {
		unable := false
		for _, a := range r.next(time.Now()) {
			if a.signal != 0 {
				p := crew[a.slot]
				p.hung = p.hung || a.signal == syscall.SIGKILL
				p.signal(a.signal)
				continue
			}
			p, err := l.fill(a, said)
			if err != nil {
				r.ended(a.slot, Exit{Rank: a.slot, Slot: true, Code: -1, Err: fmt.Errorf("starting it: %w", err)}, time.Now())
				unable = true
				continue
			}
			crew[a.slot] = p
		}
		if unable {
			continue
		}
		if r.over() {
			break
		}
		timer.Stop()
		if !r.alarm.IsZero() {
			timer.Reset(time.Until(r.alarm))
		}
		select {
		case p := <-l.ended:
			outcome.Exits = append(outcome.Exits, r.ended(p.rank, p.exit(), time.Now()))
		case h := <-said:
			if h.address == "" {
				r.joined(h.slot)
			} else {
				r.announced(h.slot, h.address)
			}
		case <-interrupt:
			interrupt = nil
			r.stop()
		case <-leave:
			leave = nil
			r.leave()
		case ask := <-e.Resize:
			r.resize(ask)
		case <-timer.C:
		}
	}
	if ctx.Err() != nil {
		return outcome, context.Cause(ctx)
	}
	return outcome, r.result()
}

// fill starts a process in a slot. It is younger than all before.
func (l *launcher) fill(a action, said chan<- heard) (*process, error) {
	p := l.newProcess(a.slot)
	p.birth = time.Now()
	if !p.birth.After(l.birth) {
		p.birth = l.birth.Add(1)
	}
	l.birth = p.birth
	err := p.listen(func(address string) { said <- heard{a.slot, address} }, func() { said <- heard{a.slot, ""} })
	if err != nil {
		return nil, err
	}
	command := l.Command[:len(l.Command):len(l.Command)]
	if a.founder {
		command = append(command, l.Elastic.Founders...)
	}
	if len(a.join) > 0 {
		command = append(command, l.Join(strings.Join(a.join, ","))...)
	}
	return p, l.start(p, command)
}
