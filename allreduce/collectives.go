package allreduce

import (
	"context"
	"fmt"
)

// AllReduce sums buf over all ranks, in place. The result is bit-identical on all ranks. It is Start and Wait with bucket 0.
func (g *Group) AllReduce(ctx context.Context, buf []float32) error {
	return g.Start(buf, 0).Wait(ctx)
}

// Broadcast copies root's buf into every rank's, which must have the same length.
func (g *Group) Broadcast(ctx context.Context, buf []float32, root int) error {
	if err := g.checkRoot(root); err != nil {
		return err
	}
	return g.begin(operation{kind: opBroadcast, vector: buf, root: root}).Wait(ctx)
}

// Barrier returns when every rank has called it.
func (g *Group) Barrier(ctx context.Context) error {
	return g.begin(operation{kind: opBarrier}).Wait(ctx)
}

// Gather gives every rank the bytes of all ranks, by rank. The parts may have any length up to 64 MiB, also none. This rank's
// own part is block itself, not a copy.
func (g *Group) Gather(ctx context.Context, block []byte) ([][]byte, error) {
	if len(block) > maxBlockBytes {
		return nil, configError("%d bytes to gather are over the limit of %d", len(block), maxBlockBytes)
	}
	blocks := make([][]byte, g.cfg.Size)
	blocks[g.cfg.Rank] = block
	if err := g.begin(operation{kind: opGather, blocks: blocks}).Wait(ctx); err != nil {
		return nil, err
	}
	return blocks, nil
}

// BroadcastBytes gives every rank root's bytes; what other ranks pass is not looked at. It is for small values whose length
// only the root knows.
func (g *Group) BroadcastBytes(ctx context.Context, block []byte, root int) ([]byte, error) {
	if err := g.checkRoot(root); err != nil {
		return nil, err
	}
	if g.cfg.Rank != root {
		block = nil
	}
	blocks, err := g.Gather(ctx, block)
	if err != nil {
		return nil, err
	}
	return blocks[root], nil
}

func (g *Group) checkRoot(root int) error {
	if root < 0 || root >= g.cfg.Size {
		return fmt.Errorf("%w: root %d must be 0 to %d", ErrConfig, root, g.cfg.Size-1)
	}
	return nil
}
