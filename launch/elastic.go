package launch

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Elastic says how ranks outlive each other. Each then has a slot, which is filled again when its process dies: as one that joins the
// cluster at the address of any live rank. Which rank of the cluster a slot's process is changes with the cluster.
type Elastic struct {
	// Founders are the arguments, behind Command's, of ranks that begin the cluster together: all, until one says that it is in it.
	// Default: none.
	Founders []string
	// MinRanks and MaxRanks bound what Resize may ask for. Default 1, and 0 for no bound.
	MinRanks, MaxRanks int

	// MaxRestarts is how often a slot is filled again within RestartWindow: what dies more often dies of something that another try does not
	// mend. Default 3 in 10 minutes.
	MaxRestarts   int
	RestartWindow time.Duration
	// FirstBackoff is how long a slot stays empty after a death; each further one doubles it, up to MaxBackoff, and it begins anew with a
	// process that has lived for SteadyAfter. Default 200 ms, 10 s and a minute.
	FirstBackoff, MaxBackoff, SteadyAfter time.Duration
	// Restartable reports whether a process that has ended by itself, with an exit code, is worth another try. One that a signal killed or
	// that crashed always is. Default: none.
	Restartable func(Exit) bool
	// Departed reports whether an exit code says that the process has left because it was asked to. Default: none does.
	Departed func(code int) bool

	// Leave has all ranks leave with SIGTERM once it is closed. Default: never.
	Leave <-chan struct{}
	// Resize has the launch go to another number of ranks. Default: never.
	Resize <-chan Resize
	// OnEvent is told what happens to slots: a Restarting, GivenUp or Late. It may write to Stderr, into which nobody else writes
	// meanwhile. Default: nobody is told.
	OnEvent func(event any)
}

// DefaultElastic is an Elastic with all defaults.
func DefaultElastic() Elastic {
	return Elastic{
		MinRanks: 1, MaxRestarts: 3, RestartWindow: 10 * time.Minute,
		FirstBackoff: 200 * time.Millisecond, MaxBackoff: 10 * time.Second, SteadyAfter: time.Minute,
		Restartable: func(Exit) bool { return false }, Departed: func(int) bool { return false }, OnEvent: func(any) {},
	}
}

// ErrLeft ends a launch that was to leave before its ranks were in a cluster: they ended at once.
var ErrLeft = errors.New("launch: asked to leave before the ranks were in a cluster")

// Resize asks for another number of ranks. A rank too many leaves with SIGTERM, the youngest first.
type Resize struct {
	// Ranks gives the number, or why not, from the one that is wanted now. Required.
	Ranks func(now int) (int, error)
	// Reply is called with what was wanted before and is now, or why that stays as it is. Required.
	Reply func(before, now int, err error)
}

// What happens to slots, for Elastic.OnEvent.
type (
	// Restarting is a slot that is filled again, for its process has died.
	Restarting struct {
		Exit
		In         time.Duration
		Number, Of int // of the restart, of MaxRestarts
	}
	// GivenUp is a slot that stays empty, though its process did not leave. Restarts is above 0 where that is for want of more.
	GivenUp struct {
		Exit
		Restarts int
	}
	// Late is that so many ranks have not ended within After of the first that had done everything, and so are ended.
	Late struct {
		Ranks int
		After time.Duration
	}
)

func (e *Elastic) validate(c Config) error {
	switch {
	case e == nil:
		return nil
	case c.Result:
		return errors.New("launch: ranks that outlive each other hand over no result")
	case e.MinRanks < 1 || e.MinRanks > c.Ranks:
		return fmt.Errorf("launch: at least %d ranks, where there are %d: give 1 to %d", e.MinRanks, c.Ranks, c.Ranks)
	case e.MaxRanks != 0 && e.MaxRanks < c.Ranks:
		return fmt.Errorf("launch: at most %d ranks, where there are %d", e.MaxRanks, c.Ranks)
	case e.MaxRestarts < 0:
		return fmt.Errorf("launch: %d restarts: give a positive number, or 0 for none", e.MaxRestarts)
	case e.RestartWindow <= 0 || e.FirstBackoff <= 0 || e.MaxBackoff < e.FirstBackoff || e.SteadyAfter <= 0:
		return errors.New("launch: the times of restarts must be positive, and the longest not below the first")
	case e.Restartable == nil || e.Departed == nil || e.OnEvent == nil:
		return errors.New("launch: a function is nil: start from DefaultElastic")
	}
	return nil
}

// died says whether a process did not end by itself.
func (e Exit) died() bool { return e.Err != nil && (e.Signal != 0 || e.Crash != "" || e.Code < 0) }

// loudness orders what slots are told: each signal ends a process at least as soon as those before it.
func loudness(s syscall.Signal) int {
	switch s {
	case syscall.SIGTERM:
		return 1
	case syscall.SIGINT:
		return 2
	case syscall.SIGKILL:
		return 3
	}
	return 0
}
