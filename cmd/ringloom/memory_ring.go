package main

import (
	"context"
	"sync"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// inMemory runs f as every rank of a ring in this process's memory. When one fails, the others' collectives end, and its
// error is returned.
func inMemory(ctx context.Context, cfg allreduce.Config, f func(context.Context, *allreduce.Group) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	transports := allreducetest.NewRing(cfg, allreducetest.Faults{})
	groups := make([]*allreduce.Group, cfg.Size)
	for r := range groups {
		cfg.Rank = r
		g, err := allreduce.New(cfg, transports[r])
		if err != nil {
			return err
		}
		groups[r] = g
	}
	var ranks sync.WaitGroup
	for _, g := range groups {
		ranks.Go(func() {
			if err := f(ctx, g); err != nil {
				cancel(err) // keeps the first
			}
			g.Close()
		})
	}
	ranks.Wait()
	return context.Cause(ctx)
}
