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
	// Exits are how those that were started have ended: by rank, or in an elastic launch in the order of their ends.
	Exits []Exit
	// Result is what rank 0 handed over, where Config.Result asked for it.
	Result []byte
}

// launcher is the state of one Run.
type launcher struct {
	Config
	birth time.Time     // of rank 0
	ended chan *process // each of processes, once it has ended and its output is copied

	mu        sync.Mutex  // held by Run to add one, and by others that look
	processes []*process  // those that were started, in this order
	formed    atomic.Bool // rank 0 has said that it is in a cluster

	killsMu sync.Mutex
	kills   int64 // for lack of memory, before the first rank was started, and of ranks since then

	outputMu sync.Mutex // held for every line that is written
}

// Run starts the ranks and returns when all have ended. The error is nil where all did what they were asked, a *Failure where one
// failed, the context's cause where that has ended, or why a process could not be started, once those that were started have been ended.
func Run(ctx context.Context, cfg Config) (Outcome, error) {
	if err := cfg.Validate(); err != nil {
		return Outcome{}, err
	}
	l := &launcher{Config: cfg, birth: time.Now(), ended: make(chan *process, cfg.Ranks), kills: sysinfo.OutOfMemoryKills()}
	if cfg.JobControl {
		defer l.followJobControl()()
	}
	if cfg.Elastic != nil {
		return l.runElastic(ctx)
	}
	first := l.newProcess(0)
	announced, err := l.announcement(first)
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
	for _, p := range l.processes {
		outcome.Exits = append(outcome.Exits, p.exit())
	}
	return outcome, err
}

// startAll starts rank 0 and, once it has announced its address, the others. It stops early where the context ends, or rank 0 before
// it had an address: wait reports why.
func (l *launcher) startAll(ctx context.Context, first *process, announced <-chan string) error {
	command := l.Command
	for rank := range l.Ranks {
		p := first
		if rank > 0 {
			p = l.newProcess(rank)
		}
		if ctx.Err() != nil {
			p.closePipes()
			return nil
		}
		if err := l.start(p, command); err != nil {
			l.endAll(len(l.processes), false)
			return fmt.Errorf("starting rank %d: %w", rank, err)
		}
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
