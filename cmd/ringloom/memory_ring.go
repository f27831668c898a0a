package main

import (
	"context"
	"sync"

	"ringloom/allreduce"
	"ringloom/allreduce/memring"
)

// inMemory runs f as every rank of a ring in this process's memory. When one fails, the others' collectives end, and its
// error is returned.
func inMemory(ctx context.Context, cfg allreduce.Config, f func(context.Context, *allreduce.Group) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	groups, err := memring.Groups(cfg)
	if err != nil {
		return err
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
