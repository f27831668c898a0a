package tune

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
)

// Config says what to try, and for what.
type Config struct {
	// Base is where the search starts; what is not searched keeps its value.
	Base allreduce.Config
	// Lengths are the elements of the vectors that are summed at once, in order: a model's buckets.
	Lengths []int
	// Format is how they travel.
	Format codec.Format
	// Rounds are measured for each candidate, after one that is not. Default 4.
	Rounds int
	// Gain is the fraction by which a candidate must beat the best time so far to replace it. Default 0.05.
	Gain float64
	// MaxFrameBytes is the largest frame that the transport takes; candidates above are left out. Zero means no limit.
	MaxFrameBytes int
}

// DefaultConfig returns the defaults for vectors of the given lengths.
func DefaultConfig(base allreduce.Config, lengths []int) Config {
	return Config{Base: base, Lengths: lengths, Format: codec.Float32, Rounds: 4, Gain: 0.05}
}

// Open makes this rank's end of the ring for a trial. trial counts from 1 and tells the rings of one search apart.
type Open func(ctx context.Context, cfg allreduce.Config, trial int) (*allreduce.Group, error)

// Trial is a candidate and the seconds of its best round.
type Trial struct {
	ChunkBytes  int     `json:"chunk_bytes"`
	WindowBytes int     `json:"window_bytes"`
	Rings       int     `json:"rings"`
	Seconds     float64 `json:"seconds"`
}

// Result is what the search found. Best is Base, with the choice in it.
type Result struct {
	Best   allreduce.Config
	Before float64 // seconds of a round with Base
	After  float64 // seconds of a round with Best
	Trials []Trial // in the order of trying, Base first
}

// The candidates; a window is tried in chunks, for it must hold a few of them.
var (
	chunkBytes   = []int{64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20}
	windowChunks = []int{4, 8, 16, 32}
	ringCounts   = []int{1, 2, 4}
)

// Ring finds the fastest of the candidates. See the package's documentation.
func Ring(ctx context.Context, c Config, open Open) (Result, error) {
	if c.Rounds < 1 || c.Gain < 0 || c.Gain >= 1 {
		return Result{}, fmt.Errorf("%w: %d rounds and a gain of %v", allreduce.ErrConfig, c.Rounds, c.Gain)
	}
	s := &search{Config: c, open: open}
	total := 0
	for _, n := range c.Lengths {
		total += n
	}
	memory := make([]float32, total)
	for i := range memory { // small and different, so that every format has something to do and nothing overflows
		memory[i] = float32(i%251-125) * 0x1p-60
	}
	for _, n := range c.Lengths {
		s.vectors = append(s.vectors, memory[:n])
		memory = memory[n:]
	}
	return s.run(ctx)
}

// search is the state of Ring.
type search struct {
	Config
	open    Open
	vectors [][]float32
	result  Result
}

func (s *search) run(ctx context.Context) (Result, error) {
	s.result.Best = s.Base
	if err := s.try(ctx, s.Base); err != nil {
		return Result{}, err
	}
	s.result.Before = s.result.After
	for _, candidates := range []func() []allreduce.Config{s.chunks, s.windows, s.rings} {
		for _, c := range candidates() {
			if s.tried(c) || s.MaxFrameBytes > 0 && c.FrameBytes() > s.MaxFrameBytes {
				continue
			}
			if err := s.try(ctx, c); err != nil {
				return Result{}, err
			}
		}
	}
	return s.result, nil
}

func (s *search) chunks() (all []allreduce.Config) {
	for _, chunk := range chunkBytes {
		c := s.result.Best
		c.ChunkBytes = chunk
		c.WindowBytes = max(c.WindowBytes, 4*chunk)
		all = append(all, c)
	}
	return all
}

func (s *search) windows() (all []allreduce.Config) {
	for _, n := range windowChunks {
		c := s.result.Best
		c.WindowBytes = n * c.ChunkBytes
		all = append(all, c)
	}
	return all
}

func (s *search) rings() (all []allreduce.Config) {
	for _, n := range ringCounts {
		c := s.result.Best
		c.Rings = n
		all = append(all, c)
	}
	return all
}

func (s *search) tried(c allreduce.Config) bool {
	for _, t := range s.result.Trials {
		if t.ChunkBytes == c.ChunkBytes && t.WindowBytes == c.WindowBytes && t.Rings == c.Rings {
			return true
		}
	}
	return false
}

// try measures a candidate, and takes it if it is the best.
func (s *search) try(ctx context.Context, c allreduce.Config) (err error) {
	trial := len(s.result.Trials) + 1
	group, err := s.open(ctx, c, trial)
	if err != nil {
		return fmt.Errorf("opening the ring of trial %d: %w", trial, err)
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	seconds, err := s.measure(ctx, group)
	if err != nil {
		return fmt.Errorf("trial %d: %w", trial, err)
	}
	s.result.Trials = append(s.result.Trials, Trial{ChunkBytes: c.ChunkBytes, WindowBytes: c.WindowBytes, Rings: c.Rings, Seconds: seconds})
	if trial == 1 || seconds < s.result.After*(1-s.Gain) {
		s.result.Best, s.result.After = c, seconds
	}
	return nil
}

// measure sums all vectors at once in each round. The best round counts, of each the slowest rank.
func (s *search) measure(ctx context.Context, group *allreduce.Group) (float64, error) {
	pending := make([]*allreduce.Pending, len(s.vectors))
	var seconds []float64
	for round := range s.Rounds + 1 {
		if err := group.Barrier(ctx); err != nil {
			return 0, err
		}
		begin := time.Now()
		for b, v := range s.vectors {
			pending[b] = group.StartAllReduce(v, allreduce.Sum{Bucket: b, Format: s.Format})
		}
		for _, p := range pending {
			if err := p.Wait(ctx); err != nil {
				return 0, err
			}
		}
		if round > 0 {
			seconds = append(seconds, time.Since(begin).Seconds())
		}
	}
	return BestRound(ctx, group, seconds)
}
