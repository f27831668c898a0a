package allreducetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
)

// ErrWrong is matched where a collective ended without an error and its result is not what it must be.
var ErrWrong = errors.New("wrong result")

// Mix is a sequence of collectives of all kinds, formats and lengths, drawn from a seed. Every rank knows what all
// ranks put in, so that each checks its own results against the oracle, to the bit.
type Mix struct {
	Seed        uint64 // the same on all ranks
	MaxElements int    // of a vector, inclusive; lengths are drawn on a logarithmic scale
}

// Run runs the collectives with the numbers from (inclusive) to (exclusive). The error matches ErrWrong or is the
// group's.
func (m Mix) Run(ctx context.Context, g *allreduce.Group, from, to int) error {
	for i := from; i < to; i++ {
		random := rand.New(rand.NewPCG(m.Seed, uint64(i)))
		c := collective{
			Group: g, random: random, number: i, length: m.length(random),
			format: codec.Formats()[random.IntN(len(codec.Formats()))],
		}
		what := kinds[random.IntN(len(kinds))]
		if err := what.run(c, ctx); err != nil {
			if errors.Is(err, ErrWrong) {
				return fmt.Errorf("rank %d, collective %d of seed %d (%s of %d, %v): %w", g.Rank(), i, m.Seed, what.name, c.length, c.format, err)
			}
			return err
		}
	}
	return nil
}

// length draws a length whose logarithm is uniformly distributed.
func (m Mix) length(random *rand.Rand) int {
	return int(math.Exp(random.Float64()*math.Log(float64(m.MaxElements+1)+0.5))) - 1
}

var kinds = []struct {
	name string
	run  func(c collective, ctx context.Context) error
}{
	{"all-reduce", collective.allReduce},
	{"all-reduces in the background", collective.background},
	{"error feedback", collective.feedback},
	{"reduce-scatter", collective.reduceScatter},
	{"mirrored reduce-scatter", collective.mirroredScatter},
	{"all-gather", collective.allGather},
	{"broadcast", collective.broadcast},
	{"all-gather of bytes", collective.allGatherBytes},
	{"broadcast of bytes", collective.broadcastBytes},
	{"barrier", collective.barrier},
}

// collective is one of a mix; what it draws is the same on all ranks.
type collective struct {
	*allreduce.Group
	random *rand.Rand
	number int
	length int
	format codec.Format
}

// vectors draws one vector per rank.
func (c collective) vectors() [][]float32 {
	all := make([][]float32, c.WorldSize())
	for r := range all {
		all[r] = make([]float32, c.length)
		for i := range all[r] {
			all[r][i] = c.random.Float32()*2 - 1
		}
	}
	return all
}

func (c collective) blocks() [][]byte {
	all := make([][]byte, c.WorldSize())
	for r := range all {
		all[r] = make([]byte, c.random.IntN(c.length+1))
		for i := range all[r] {
			all[r][i] = byte(c.random.Uint32())
		}
	}
	return all
}

func (c collective) allReduce(ctx context.Context) error {
	in := c.vectors()
	own := slices.Clone(in[c.Rank()])
	if err := c.StartAllReduce(own, allreduce.Sum{Bucket: c.number, Format: c.format}).Wait(ctx); err != nil {
		return err
	}
	return sameBits(own, Sum(c.Config(), in, c.format, nil))
}

func (c collective) background(ctx context.Context) error {
	var in [3][][]float32
	var own [3][]float32
	var pending [3]*allreduce.Pending
	for b := range in {
		in[b] = c.vectors()
		own[b] = slices.Clone(in[b][c.Rank()])
		pending[b] = c.StartAllReduce(own[b], allreduce.Sum{Bucket: b, Format: c.format})
	}
	for b, p := range pending {
		if err := p.Wait(ctx); err != nil {
			return err
		}
		if err := sameBits(own[b], Sum(c.Config(), in[b], c.format, nil)); err != nil {
			return fmt.Errorf("bucket %d: %w", b, err)
		}
	}
	return nil
}

func (c collective) feedback(ctx context.Context) error {
	residuals := make([][]float32, c.WorldSize())
	for r := range residuals {
		residuals[r] = make([]float32, c.length)
	}
	residual := make([]float32, c.length)
	for round := range 2 {
		in := c.vectors()
		own := slices.Clone(in[c.Rank()])
		if err := c.StartAllReduce(own, allreduce.Sum{Bucket: round, Format: c.format, Residual: residual}).Wait(ctx); err != nil {
			return err
		}
		if err := sameBits(own, Sum(c.Config(), in, c.format, residuals)); err != nil {
			return err
		}
		if err := sameBits(residual, residuals[c.Rank()]); err != nil {
			return fmt.Errorf("residual: %w", err)
		}
	}
	return nil
}

func (c collective) reduceScatter(ctx context.Context) error {
	in := c.vectors()
	own := slices.Clone(in[c.Rank()])
	if err := c.StartReduceScatter(own, allreduce.Sum{Bucket: c.number, Format: c.format}).Wait(ctx); err != nil {
		return err
	}
	want := PartialSum(c.Config(), in, c.format, nil)
	for _, s := range c.Shard(c.length, c.Rank()) {
		if err := sameBits(own[s.From:s.To], want[s.From:s.To]); err != nil {
			return err
		}
	}
	return nil
}

func (c collective) mirroredScatter(ctx context.Context) error {
	in := c.vectors()
	own := slices.Clone(in[c.Rank()])
	if err := c.StartReduceScatter(own, allreduce.Sum{Bucket: c.number, Format: c.format, Mirror: true}).Wait(ctx); err != nil {
		return err
	}
	want := Sum(c.Config(), in, c.format, nil)
	for _, rank := range []int{c.Rank(), (c.Rank() + c.WorldSize() - 1) % c.WorldSize()} {
		for _, s := range c.Shard(c.length, rank) {
			if err := sameBits(own[s.From:s.To], want[s.From:s.To]); err != nil {
				return fmt.Errorf("the part of rank %d: %w", rank, err)
			}
		}
	}
	return nil
}

func (c collective) allGather(ctx context.Context) error {
	in := c.vectors()
	want := make([]float32, c.length)
	for r := range in {
		for _, s := range c.Shard(c.length, r) {
			copy(want[s.From:s.To], in[r][s.From:s.To])
		}
	}
	own := in[c.Rank()]
	if err := c.StartAllGather(own, c.number).Wait(ctx); err != nil {
		return err
	}
	return sameBits(own, want)
}

func (c collective) broadcast(ctx context.Context) error {
	in, root := c.vectors(), c.random.IntN(c.WorldSize())
	own := slices.Clone(in[c.Rank()])
	if err := c.Broadcast(ctx, own, root); err != nil {
		return err
	}
	return sameBits(own, in[root])
}

func (c collective) allGatherBytes(ctx context.Context) error {
	blocks := c.blocks()
	got, err := c.AllGatherBytes(ctx, blocks[c.Rank()])
	if err != nil {
		return err
	}
	for r := range blocks {
		if !bytes.Equal(got[r], blocks[r]) {
			return fmt.Errorf("%w: part of rank %d", ErrWrong, r)
		}
	}
	return nil
}

func (c collective) broadcastBytes(ctx context.Context) error {
	blocks, root := c.blocks(), c.random.IntN(c.WorldSize())
	got, err := c.BroadcastBytes(ctx, blocks[c.Rank()], root)
	if err == nil && !bytes.Equal(got, blocks[root]) {
		err = ErrWrong
	}
	return err
}

func (c collective) barrier(ctx context.Context) error { return c.Barrier(ctx) }

func sameBits(got, want []float32) error {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("%w: element %d is %v, not %v", ErrWrong, i, got[i], want[i])
		}
	}
	return nil
}
