package shard

import (
	"errors"
	"fmt"
	"math"

	"ringloom/internal/split"
)

// ErrConfig is wrapped by every error that New returns.
var ErrConfig = errors.New("shard: invalid configuration")

// Config says what is divided and among how many. It must be the same on all ranks but for Rank.
type Config struct {
	Samples     int    // size of the data set, 1 to 2^31-1
	GlobalBatch int    // samples of all ranks together in a step, at least WorldSize so that no rank is always idle
	WorldSize   int    // number of ranks, at least 1
	Rank        int    // this rank, 0 to WorldSize-1
	Seed        uint64 // picks the permutations; unused without Shuffle
	Shuffle     bool   // false: every epoch goes through the samples in their stored order
	// Shares are in which proportion the ranks divide a step's samples, by rank, each at least 1. Nil: evenly.
	Shares []int
}

// Validate reports the first field that New would refuse.
func (c Config) Validate() error {
	switch {
	case c.Samples < 1 || c.Samples > math.MaxInt32:
		return fmt.Errorf("%w: %d samples, want 1 to %d", ErrConfig, c.Samples, math.MaxInt32)
	case c.WorldSize < 1:
		return fmt.Errorf("%w: world size %d, want at least 1", ErrConfig, c.WorldSize)
	case c.Rank < 0 || c.Rank >= c.WorldSize:
		return fmt.Errorf("%w: rank %d in a world of %d", ErrConfig, c.Rank, c.WorldSize)
	case c.GlobalBatch < c.WorldSize:
		return fmt.Errorf("%w: global batch of %d is smaller than the world of %d ranks", ErrConfig, c.GlobalBatch, c.WorldSize)
	case c.Shares != nil && len(c.Shares) != c.WorldSize:
		return fmt.Errorf("%w: shares of %d ranks in a world of %d", ErrConfig, len(c.Shares), c.WorldSize)
	}
	for rank, share := range c.Shares {
		if share < 1 {
			return fmt.Errorf("%w: a share of %d for rank %d", ErrConfig, share, rank)
		}
	}
	return nil
}

// Part is the part [lo, hi) of a step's n samples that a rank has: contiguous, in rank order, covering all.
func (c Config) Part(n, rank int) (lo, hi int) {
	if c.Shares == nil {
		return split.Part(n, c.WorldSize, rank)
	}
	before, total := 0, 0
	for r, share := range c.Shares {
		if r < rank {
			before += share
		}
		total += share
	}
	return n * before / total, n * (before + c.Shares[rank]) / total
}

// Sampler hands out one rank's sample indices. It is not safe for concurrent use.
type Sampler struct {
	cfg   Config
	perm  []int32 // permutation of epoch
	epoch int     // whose permutation perm holds, -1 at first
}

// New returns the sampler of one rank. It allocates 4 bytes per sample, once.
func New(cfg Config) (*Sampler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Sampler{cfg: cfg, perm: make([]int32, cfg.Samples), epoch: -1}
	if !cfg.Shuffle {
		identity(s.perm)
	}
	return s, nil
}

// Steps is the number of steps in an epoch, the same on every rank. The last batch may be smaller; none is dropped.
func (s *Sampler) Steps() int {
	return (s.cfg.Samples-1)/s.cfg.GlobalBatch + 1
}

// GlobalLen is the number of samples of all ranks together in a step: the batch that a mean loss divides by. It is
// zero for a step outside the epoch. The epoch does not matter today; it is there so that callers need not know that.
func (s *Sampler) GlobalLen(epoch, step int) int {
	lo, hi := s.globalRange(step)
	return hi - lo
}

// Batch returns this rank's sample indices in step of epoch (both counted from 0). It overwrites dst from its start and
// allocates only where dst's capacity is too small: without shares the global batch over the world size, rounded up, is enough.
// The result is empty where the rank has no part of a small last batch, and for a step outside the epoch. It panics on
// a negative epoch.
func (s *Sampler) Batch(epoch, step int, dst []int32) []int32 {
	if epoch < 0 {
		panic(fmt.Sprintf("shard: epoch %d", epoch))
	}
	s.load(epoch)
	lo, hi := s.globalRange(step)
	a, b := s.cfg.Part(hi-lo, s.cfg.Rank)
	return append(dst[:0], s.perm[lo+a:lo+b]...)
}

// globalRange is the span of positions of a step's global batch, empty outside the epoch.
func (s *Sampler) globalRange(step int) (lo, hi int) {
	if step < 0 || step >= s.Steps() {
		return 0, 0
	}
	lo = step * s.cfg.GlobalBatch
	return lo, lo + min(s.cfg.GlobalBatch, s.cfg.Samples-lo)
}

// load makes perm the permutation of epoch.
func (s *Sampler) load(epoch int) {
	if s.epoch == epoch || !s.cfg.Shuffle {
		return
	}
	permute(s.perm, s.cfg.Seed, epoch)
	s.epoch = epoch
}

// EvalRange is the span [lo, hi) of samples that a rank evaluates: contiguous, in rank order, covering every sample
// exactly once, sizes differing by at most one (the first ranks have the larger parts). It is empty for a rank beyond
// the number of samples. Summing counts over the ranks is therefore exact.
func EvalRange(samples, world, rank int) (lo, hi int) {
	return split.Part(samples, world, rank)
}
