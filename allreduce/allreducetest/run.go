package allreducetest

import (
	"errors"
	"fmt"
	"sync"

	"ringloom/allreduce"
)

// Groups makes one group per rank over in-memory rings, and returns the transports of the first ring with them. It
// panics on an invalid configuration, which is the test's mistake.
func Groups(cfg allreduce.Config, faults Faults) ([]*allreduce.Group, []*Transport) {
	rings := make([][]*Transport, cfg.Rings)
	for i := range rings {
		rings[i] = NewRing(cfg, i, faults)
	}
	groups := make([]*allreduce.Group, cfg.WorldSize)
	for r := range groups {
		cfg.Rank = r
		transports := make([]allreduce.Transport, len(rings))
		for i := range rings {
			transports[i] = rings[i][r]
		}
		g, err := allreduce.New(cfg, transports...)
		if err != nil {
			panic(err)
		}
		groups[r] = g
	}
	return groups, rings[0]
}

// Run calls f for every group at once and returns the errors by rank. A rank whose f fails closes its group, as a
// process that exits would.
func Run(groups []*allreduce.Group, f func(g *allreduce.Group) error) []error {
	errs := make([]error, len(groups))
	var wg sync.WaitGroup
	for r, g := range groups {
		wg.Go(func() {
			if errs[r] = f(g); errs[r] != nil {
				_ = g.Close()
			}
		})
	}
	wg.Wait()
	return errs
}

// CheckEnd returns an error unless err is a rank's own *allreduce.Error of one of kinds, or what a rank makes of the
// failure of another: an abort, or the loss of a neighbour. Without kinds nothing may fail.
func CheckEnd(rank int, err error, kinds ...error) error {
	var e *allreduce.Error
	if !errors.As(err, &e) || e.Rank != rank {
		return fmt.Errorf("%w is not rank %d's typed error", err, rank)
	}
	for _, kind := range append([]error{allreduce.ErrAborted, allreduce.ErrNeighbourLost}, kinds...) {
		if len(kinds) > 0 && e.Kind == kind {
			return nil
		}
	}
	return fmt.Errorf("unexpected: %w", err)
}

// CloseAll closes every group at once, as ranks that end together do.
func CloseAll(groups []*allreduce.Group) {
	Run(groups, func(g *allreduce.Group) error { return g.Close() })
}
