package collective

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Run measures the sweep as one rank. onRow is called after each size, on every rank with the same row; it may be nil.
func Run(ctx context.Context, ring Ring, c Config, onRow func(Row) error) (Summary, error) {
	if err := c.Validate(ring.WorldSize()); err != nil {
		return Summary{}, err
	}
	b := newBench(ring, c)
	var rows []Row
	for _, bytes := range c.sizes() {
		row, err := b.size(ctx, bytes)
		if err != nil {
			return Summary{}, fmt.Errorf("%s of %d bytes: %w", c.Op, bytes, err)
		}
		rows = append(rows, row)
		if onRow != nil {
			if err := onRow(row); err != nil {
				return Summary{}, err
			}
		}
	}
	return summarise(rows), nil
}

// bench is one rank's buffers, as large as the largest size.
type bench struct {
	ring Ring
	Config
	limit         int // of values
	repeats       int // in place, until the buffer must be filled anew
	input, result []float32
	block         []byte   // of AllGatherBytes
	blocks        [][]byte // its result
}

func newBench(ring Ring, c Config) *bench {
	b := &bench{ring: ring, Config: c, limit: c.Numbers.limit(ring.WorldSize()), repeats: c.Numbers.repeats(ring.WorldSize())}
	sizes := c.sizes()
	largest := sizes[len(sizes)-1]
	switch c.Op {
	case Barrier:
	case AllGatherBytes:
		b.block = make([]byte, largest/int64(ring.WorldSize()))
		fillBytes(b.block, ring.Rank())
	default:
		b.input, b.result = make([]float32, largest/elementBytes), make([]float32, largest/elementBytes)
		fill(b.input, ring.Rank(), b.limit)
	}
	return b
}

// size measures one size.
func (b *bench) size(ctx context.Context, bytes int64) (row Row, err error) {
	switch b.Op {
	case Barrier:
		row.OutOfPlace, err = b.measure(ctx, 0, form{run: func() error { return b.ring.Barrier(ctx) }})
		return row, err
	case AllGatherBytes:
		block := b.block[:bytes/int64(b.ring.WorldSize())]
		row.Bytes = int64(len(block) * b.ring.WorldSize())
		row.Count = row.Bytes
		row.OutOfPlace, err = b.measure(ctx, row.Bytes, form{
			run: func() (err error) { b.blocks, err = b.ring.AllGatherBytes(ctx, block); return err },
			wrong: func() (wrong int64) {
				for r, got := range b.blocks {
					wrong += wrongBytes(got, r, len(block))
				}
				return wrong
			},
		})
		return row, err
	}
	row.Bytes, row.Count = bytes, bytes/elementBytes
	input, result := b.input[:row.Count], b.result[:row.Count]
	inPlace := form{
		run:     func() error { return b.collective(ctx, result) },
		refill:  func() { copy(result, input) },
		repeats: b.repeats,
		wrong:   func() int64 { return b.wrong(result) },
	}
	outOfPlace := form{
		run:   func() error { copy(result, input); return b.collective(ctx, result) },
		wrong: inPlace.wrong,
	}
	if !b.OnlyInPlace {
		if row.OutOfPlace, err = b.measure(ctx, bytes, outOfPlace); err != nil {
			return row, err
		}
	}
	row.InPlace, err = b.measure(ctx, bytes, inPlace)
	return row, err
}

func (b *bench) collective(ctx context.Context, buf []float32) error {
	switch b.Op {
	case ReduceScatter:
		return b.ring.ReduceScatter(ctx, buf)
	case AllGather:
		return b.ring.AllGather(ctx, buf)
	case Broadcast:
		return b.ring.Broadcast(ctx, buf, 0)
	}
	return b.ring.AllReduce(ctx, buf)
}

// wrong counts this rank's elements that are not what the collective must have made of all ranks' inputs.
func (b *bench) wrong(result []float32) (wrong int64) {
	size, tolerance := b.ring.WorldSize(), b.Numbers.tolerance(b.Op, b.ring.WorldSize())
	switch b.Op {
	case ReduceScatter:
		for _, s := range b.ring.Shard(len(result), b.ring.Rank()) {
			wrong += wrongSums(result[s.From:s.To], s.From, size, b.limit, tolerance)
		}
		return wrong
	case AllGather:
		for rank := range size {
			for _, s := range b.ring.Shard(len(result), rank) {
				wrong += wrongCopies(result[s.From:s.To], s.From, rank, b.limit)
			}
		}
		return wrong
	case Broadcast:
		return wrongCopies(result, 0, 0, b.limit)
	}
	return wrongSums(result, 0, size, b.limit, tolerance)
}

// form is how a collective is run over and over: out of place or in place.
type form struct {
	run     func() error
	refill  func() // brings the input back where run consumes it; nil where it keeps it
	repeats int    // runs that one refill is good for
	wrong   func() int64
}

// measure times a form and checks its result.
func (b *bench) measure(ctx context.Context, bytes int64, f form) (*Timing, error) {
	iterations, err := b.warmUp(ctx, f)
	if err != nil {
		return nil, err
	}
	seconds, err := b.loop(ctx, f, iterations)
	if err != nil {
		return nil, err
	}
	if f.refill != nil { // what the loop left is a sum of sums
		f.refill()
		if err := f.run(); err != nil {
			return nil, err
		}
	}
	t := newTiming(seconds, b.Op, bytes, b.ring.WorldSize())
	if f.wrong != nil {
		t.WrongValues, err = b.sum(ctx, f.wrong())
	}
	return t, err
}

// warmUp runs a form untimed, and says how many iterations fit into its half of the duration: the same on all ranks.
func (b *bench) warmUp(ctx context.Context, f form) (iterations int, err error) {
	fit := func(all int, budget time.Duration, seconds float64) int {
		if b.Duration == 0 || seconds <= 0 {
			return all
		}
		return int(max(1, min(float64(all), budget.Seconds()/seconds)))
	}
	first, err := b.loop(ctx, f, 1)
	if err != nil {
		return 0, err
	}
	estimate := first[0]
	if more := fit(b.WarmUp, b.Duration/4, estimate) - 1; more > 0 {
		rest, err := b.loop(ctx, f, more)
		if err != nil {
			return 0, err
		}
		estimate = newTiming(rest, b.Op, 0, b.ring.WorldSize()).Seconds
	}
	return fit(b.Iterations, b.Duration/2, estimate), nil
}

// loop runs a form and gives each iteration's time on the slowest rank, in seconds. All ranks start together.
func (b *bench) loop(ctx context.Context, f form, iterations int) ([]float64, error) {
	seconds := make([]float64, iterations)
	for i := range seconds {
		refill := f.refill != nil && i%f.repeats == 0
		if refill {
			f.refill()
		}
		if refill || i == 0 || b.Op == Broadcast { // whose root would run ahead, so that the times tell nothing
			if err := b.ring.Barrier(ctx); err != nil {
				return nil, err
			}
		}
		begin := time.Now()
		if err := f.run(); err != nil {
			return nil, err
		}
		seconds[i] = time.Since(begin).Seconds()
	}
	return b.slowest(ctx, seconds)
}

// slowest is the largest of all ranks' times, iteration by iteration.
func (b *bench) slowest(ctx context.Context, seconds []float64) ([]float64, error) {
	block := make([]byte, 0, 8*len(seconds))
	for _, s := range seconds {
		block = binary.LittleEndian.AppendUint64(block, math.Float64bits(s))
	}
	blocks, err := b.ring.AllGatherBytes(ctx, block)
	if err != nil {
		return nil, err
	}
	for rank, block := range blocks {
		if len(block) != 8*len(seconds) {
			return nil, fmt.Errorf("rank %d took %d iterations, this rank %d: run the same build with the same flags on all ranks", rank, len(block)/8, len(seconds))
		}
		for i := range seconds {
			seconds[i] = max(seconds[i], math.Float64frombits(binary.LittleEndian.Uint64(block[8*i:])))
		}
	}
	return seconds, nil
}

// sum adds up a count over all ranks.
func (b *bench) sum(ctx context.Context, count int64) (total int64, err error) {
	blocks, err := b.ring.AllGatherBytes(ctx, binary.LittleEndian.AppendUint64(nil, uint64(count)))
	if err != nil {
		return 0, err
	}
	for rank, block := range blocks {
		if len(block) != 8 {
			return 0, fmt.Errorf("rank %d counts in %d bytes instead of 8: run the same build on all ranks", rank, len(block))
		}
		total += int64(binary.LittleEndian.Uint64(block))
	}
	return total, nil
}
