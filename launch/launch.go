package launch

import (
	"context"
	"fmt"
	"sync"
	"time"
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
	slots []*slot    // those that were started, by rank
	ended chan *slot // each of them, once its process has ended and its output is copied

	outputMu sync.Mutex // held for every line that is written
}

// Run starts the ranks and returns when all have ended. The error is nil where all did what they were asked, a *Failure where one
// failed, the context's cause where that has ended, or why a process could not be started, once those that were started have been ended.
func Run(ctx context.Context, cfg Config) (Outcome, error) {
	if err := cfg.Validate(); err != nil {
		return Outcome{}, err
	}
	l := &launcher{Config: cfg, birth: time.Now(), ended: make(chan *slot, cfg.Ranks)}
	first := newSlot(0)
	announced, err := first.announcement()
	if err != nil {
		return Outcome{}, err
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
			l.endAll(len(l.slots))
			return fmt.Errorf("starting rank %d: %w", rank, err)
		}
		l.slots = append(l.slots, s)
		if rank == 0 {
			address, ok := <-announced
			if !ok {
				return nil
			}
			command = append(l.Command[:len(l.Command):len(l.Command)], l.Join(address)...)
		}
	}
	return nil
}
