package allreduce

import (
	"context"
	"fmt"

	"ringloom/allreduce/codec"
	"ringloom/internal/split"
)

// Sum says how a vector is summed. The zero value sums exactly, as bucket 0.
type Sum struct {
	// Bucket is the caller's number for the vector; it must be the same on all ranks.
	Bucket int
	// Format is how the values travel; zero means codec.Float32. The sum is bit-identical on all ranks in every format.
	Format codec.Format
	// Residual is this rank's memory for error feedback, as long as the vector, zero at first and then kept from one
	// sum of the same vector to the next. nil means no error feedback. It belongs to the group for as long as the
	// vector does.
	Residual []float32
	// Mirror has a reduce-scatter leave each rank's part at the next rank too.
	Mirror bool
}

// StartAllReduce begins to sum buf over all ranks, in place, and returns at once. Vectors are summed in the order of
// the calls, which must be the same on all ranks. The buffer belongs to the group until Wait has returned. A residual
// of another length panics.
func (g *Group) StartAllReduce(buf []float32, s Sum) *Pending {
	return g.begin(s.operation(opAllReduce, buf))
}

// StartReduceScatter begins the first half of a sum, in place: after Wait, the parts of buf that Shard gives to this
// rank hold the sum, exactly in float32; the contents of the rest are undefined.
//
// With Sum.Mirror the parts that Shard gives to the rank before hold the sum too, and both are rounded to Format, as in
// an all-reduce, so that two ranks have the same bits. It costs one hop more, with 1/N of the vector.
func (g *Group) StartReduceScatter(buf []float32, s Sum) *Pending {
	if s.Mirror {
		return g.begin(s.operation(opMirroredScatter, buf))
	}
	return g.begin(s.operation(opReduceScatter, buf))
}

// StartAllGather begins the second half, in place: every rank's Shard of buf is copied to all. The values travel as
// float32.
func (g *Group) StartAllGather(buf []float32, bucket int) *Pending {
	return g.begin(Sum{Bucket: bucket}.operation(opAllGather, buf))
}

func (s Sum) operation(kind opKind, buf []float32) operation {
	if s.Residual != nil && len(s.Residual) != len(buf) {
		panic(fmt.Sprintf("allreduce: a residual of %d elements for a vector of %d", len(s.Residual), len(buf)))
	}
	o := operation{kind: kind, vector: buf, bucket: uint32(s.Bucket), format: s.Format, residual: s.Residual}
	if o.format == 0 {
		o.format = codec.Float32
	}
	return o
}

// Range is the elements From to To, exclusive, of a vector.
type Range struct{ From, To int }

// Shard is the part of a vector of length elements that a rank owns between a reduce-scatter and an all-gather: one
// range for each ring that the vector is divided among, in ascending order, some of which may be empty. The ranks'
// shards are disjoint and make up the whole.
func (g *Group) Shard(length, rank int) []Range { return g.cfg.Shard(length, rank) }

// Shard is that of a group with this configuration.
func (c Config) Shard(length, rank int) []Range {
	if c.Alone {
		return []Range{{0, length}}
	}
	shard := make([]Range, c.stripes(length))
	for i := range shard {
		from, to := split.Part(length, len(shard), i)
		// In a reduce-scatter the last segment to arrive is the one after the rank's own.
		lo, hi := split.Part(to-from, c.WorldSize, mod(rank+1, c.WorldSize))
		shard[i] = Range{from + lo, from + hi}
	}
	return shard
}

// AllReduce sums buf over all ranks, in place. The result is bit-identical on all ranks. It is StartAllReduce and Wait
// with bucket 0.
func (g *Group) AllReduce(ctx context.Context, buf []float32) error {
	return g.StartAllReduce(buf, Sum{}).Wait(ctx)
}

// ReduceScatter sums buf over all ranks and leaves each rank its Shard of the sum. It is StartReduceScatter and Wait
// with bucket 0.
func (g *Group) ReduceScatter(ctx context.Context, buf []float32) error {
	return g.StartReduceScatter(buf, Sum{}).Wait(ctx)
}

// AllGather copies every rank's Shard of buf to all. It is StartAllGather and Wait with bucket 0.
func (g *Group) AllGather(ctx context.Context, buf []float32) error {
	return g.StartAllGather(buf, 0).Wait(ctx)
}

// Broadcast copies root's buf into every rank's, which must have the same length.
func (g *Group) Broadcast(ctx context.Context, buf []float32, root int) error {
	if err := g.checkRoot(root); err != nil {
		return err
	}
	return g.begin(operation{kind: opBroadcast, vector: buf, format: codec.Float32, root: root}).Wait(ctx)
}

// Barrier returns when every rank has called it.
func (g *Group) Barrier(ctx context.Context) error {
	return g.begin(operation{kind: opBarrier}).Wait(ctx)
}

// AllGatherBytes gives every rank the bytes of all ranks, by rank. Blocks may have any length up to 64 MiB, and may be
// empty. This rank's own is block itself, not a copy.
func (g *Group) AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error) {
	if len(block) > maxBlockBytes {
		return nil, configError("%d bytes to gather are over the limit of %d", len(block), maxBlockBytes)
	}
	blocks := make([][]byte, g.cfg.WorldSize)
	blocks[g.cfg.Rank] = block
	if err := g.begin(operation{kind: opAllGatherBytes, blocks: blocks}).Wait(ctx); err != nil {
		return nil, err
	}
	return blocks, nil
}

// BroadcastBytes gives every rank root's bytes; the other ranks' block is ignored. It is for small values whose length
// only the root knows.
func (g *Group) BroadcastBytes(ctx context.Context, block []byte, root int) ([]byte, error) {
	if err := g.checkRoot(root); err != nil {
		return nil, err
	}
	if g.cfg.Rank != root {
		block = nil
	}
	blocks, err := g.AllGatherBytes(ctx, block)
	if err != nil {
		return nil, err
	}
	return blocks[root], nil
}

func (g *Group) checkRoot(root int) error {
	if root < 0 || root >= g.cfg.WorldSize {
		return fmt.Errorf("%w: root %d must be 0 to %d", ErrConfig, root, g.cfg.WorldSize-1)
	}
	return nil
}
