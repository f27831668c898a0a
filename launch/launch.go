package launch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ringloom/internal/sysinfo"
)

// Outcome is what ranks have left when all have ended.
type Outcome struct {
	// Exits are how those that were started have ended, by rank.
	Exits []Exit
	// Result is what rank 0 handed over, where Config.Result asked for it.
	Result []byte
}

// launcher is the state of one Run.
type launcher struct {
	Config
	birth time.Time  // of rank 0
	ended chan *slot // each of slots, once its process has ended and its output is copied

	slotsMu sync.Mutex  // held by Run to add one, and by others that look
	slots   []*slot     // those that were started, by rank
	formed  atomic.Bool // rank 0 has said that it is in a cluster
	kills   int64       // for lack of memory, before the first rank was started

	outputMu sync.Mutex // held for every line that is written
}

// Run starts the ranks and returns when all have ended. The error is nil where all did what they were asked, a *Failure where one
// failed, the context's cause where that has ended, or why a process could not be started, once those that were started have been ended.
func Run(ctx context.Context, cfg Config) (Outcome, error) {
	if err := cfg.Validate(); err != nil {
		return Outcome{}, err
	}
	l := &launcher{Config: cfg, birth: time.Now(), ended: make(chan *slot, cfg.Ranks), kills: sysinfo.OutOfMemoryKills()}
	first := newSlot(0)
	announced, err := l.announcement(first)
	if err != nil {
		return Outcome{}, err
	}
	if cfg.JobControl {
		defer l.followJobControl()()
	}
	result := func() []byte { return nil }
	if cfg.Result {
		if result, err = first.handover(); err != nil {
			return Outcome{}, err
		}
	}
	err = l.startAll(ctx, first, announced)
	if err == nil {
		err = l.wait(ctx)
	}
	outcome := Outcome{Result: result()}
	for _, s := range l.slots {
		outcome.Exits = append(outcome.Exits, s.exit())
	}
	return outcome, err
}

// startAll starts rank 0 and, once it has announced its address, the others. It stops early where the context ends, or rank 0 before
// it had an address: wait reports why.
func (l *launcher) startAll(ctx context.Context, first *slot, announced <-chan string) error {
	command := l.Command
	for rank := range l.Ranks {
		s := first
		if rank > 0 {
			s = newSlot(rank)
		}
		if ctx.Err() != nil {
			s.closePipes()
			return nil
		}
		if err := l.start(s, command); err != nil {
			l.endAll(len(l.slots), false)
			return fmt.Errorf("starting rank %d: %w", rank, err)
		}
		l.slotsMu.Lock()
		l.slots = append(l.slots, s)
		l.slotsMu.Unlock()
		if rank == 0 {
			address := ""
			select {
			case address = <-announced:
			case <-ctx.Done():
			}
			if address == "" {
				return nil
			}
			command = append(l.Command[:len(l.Command):len(l.Command)], l.Join(address)...)
		}
	}
	return nil
}
