package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringloom/allreduce"
	"ringloom/cluster"
	"ringloom/train"
)

// ElasticConfig says whether and how a job outlives its ranks.
type ElasticConfig struct {
	// On lets the others go on when a rank dies, freezes or leaves, and lets nodes join while the job runs. Default false: the first failure
	// ends all ranks.
	On bool
	// MinRanks is the fewest with which the job goes on; with fewer it waits for others to join. 0, the default, means 1.
	MinRanks int
	// MaxRanks is the most; more are refused. 0, the default, means as many as come.
	MaxRanks int
	// Wait is how long to wait where there are too few. Default a minute.
	Wait time.Duration
}

// mostBarren is how many views may follow each other without a step.
const mostBarren = 3

// Validate says in one line what cannot be, or nil.
func (e ElasticConfig) Validate(c MemberConfig) error {
	switch {
	case !e.On && (e.MinRanks != 0 || e.MaxRanks != 0):
		return settingError("min-ranks", " and --max-ranks have no effect without --elastic: give that as well, or leave them out")
	case !e.On:
		return nil
	case e.MinRanks < 0:
		return settingError("min-ranks", " %d: give at least 1", e.MinRanks)
	case e.MaxRanks < 0:
		return settingError("max-ranks", " %d: give a positive number, or 0 for as many as come", e.MaxRanks)
	case e.MaxRanks > 0 && e.MaxRanks < max(e.MinRanks, c.WorldSize):
		return settingError("max-ranks", " %d: it must be at least --min-ranks (%d) and --expect (%d)", e.MaxRanks, e.MinRanks, c.WorldSize)
	case e.Wait < 0:
		return settingError("elastic-wait", " %v: give a positive time, such as 1m", e.Wait)
	}
	return nil
}

// joinsOnly says whether this node takes whatever job is there.
func (c MemberConfig) joinsOnly() bool { return c.Elastic.On && c.WorldSize == 0 && len(c.Join) > 0 }

// DepartedError ends a rank that has left a job which goes on without it, or, with State, which all its ranks have left.
type DepartedError struct {
	Step int // steps that were done
	All  bool
	// Cause is why it has left.
	Cause error
}

func (e DepartedError) Error() string {
	if e.All {
		return fmt.Sprintf("all ranks have left behind step %d, and the run's state is kept: go on with --resume", e.Step)
	}
	return fmt.Sprintf("this rank has left behind step %d, and the others go on without it", e.Step)
}

// Unwrap gives why it has left.
func (e DepartedError) Unwrap() error { return e.Cause }

// BarrenError ends an elastic job in which views follow each other without a step: what ends one rank after the other, as a batch that no
// rank can compute, must not take them all.
type BarrenError struct {
	Views int   // that have followed each other
	Last  error // that ended this rank's work in the last one
}

func (e *BarrenError) Error() string {
	return fmt.Sprintf("no step was done in %d views that followed each other, so the run stops: look at the first error of the ranks that are gone; the last view ended here with: %v", e.Views, e.Last)
}

// Unwrap gives the last error.
func (e *BarrenError) Unwrap() error { return e.Last }

// stopsFor says whether a rank's own work has stopped because of the view, and not of itself.
func (s *Session) stopsFor(err error) bool {
	switch {
	case errors.As(err, new(AgreedError)):
		return false
	case errors.As(err, new(*train.Change)), errors.As(err, new(*allreduce.Error)), errors.As(err, new(UnformedError)):
		return true
	}
	return s.View.Cause() != nil
}

// next is the session of the view that follows, where the work in this one has stopped with an error; its own error is what the rank ends
// with. It blocks until the ranks have agreed.
func (s *Session) next(ctx context.Context, purpose string, own error) (*Session, error) {
	m := s.member
	if !m.cfg.Elastic.On || ctx.Err() != nil || !s.stopsFor(own) {
		return nil, s.rootCause(ctx, purpose, own)
	}
	if s.barren++; s.barren >= mostBarren {
		return nil, s.rootCause(ctx, purpose, AgreedError{&BarrenError{Views: s.barren, Last: own}})
	}
	m.emit(ViewEnded{View: s.View, Cause: own})
	var lost *allreduce.Error
	if errors.As(own, &lost) && lost.Neighbour >= 0 {
		m.node.Suspect(lost.Neighbour)
	}
	leaving := false
	var change *train.Change
	if errors.As(own, &change) {
		for _, rank := range change.Leaving {
			leaving = leaving || rank == s.View.Rank
		}
		if len(change.Leaving) == s.View.WorldSize() {
			return nil, DepartedError{Step: change.Step, All: true, Cause: cluster.ErrInterrupted}
		}
	}
	view, err := m.node.Next(ctx, s.View, leaving)
	var none *cluster.NoQuorum
	switch {
	case errors.Is(err, cluster.ErrDeparted):
		return nil, DepartedError{Step: change.Step, Cause: err}
	case errors.As(err, &none):
		return nil, PeerError{fmt.Errorf("%s ended at rank %d: %w", purpose, s.View.Rank, err)}
	case err != nil && ctx.Err() != nil:
		return nil, s.rootCause(ctx, purpose, own)
	case err != nil:
		return nil, err
	}
	return &Session{View: view, member: m, barren: s.barren}, nil
}
