package collective

import (
	"fmt"
	"time"

	"ringloom/allreduce/codec"
)

// Config says what Run measures. It must be the same on all ranks.
type Config struct {
	Op Op
	// MinBytes to MaxBytes are the sizes, each Factor times the one before. Multiples of 4. A size is what one rank's
	// buffer holds; of AllGatherBytes, what all blocks have together. A barrier has none.
	MinBytes, MaxBytes int64
	// Factor is at least 2.
	Factor int
	// WarmUp iterations come before those that count; at least 1, which also tells how many fit into Duration.
	WarmUp int
	// Iterations of each size, out of place and in place each.
	Iterations int
	// Duration bounds the timed iterations of one size, out of place and in place together: where Iterations would take
	// longer, fewer are taken, but at least one. Warm-up and checks are not counted. Zero means no bound.
	Duration time.Duration
	// OnlyInPlace leaves the out-of-place form out, where the collective has another.
	OnlyInPlace bool
	// Numbers are those that the wire format carries; the values are chosen by them.
	Numbers Numbers
}

// Default is nccl-tests' sweep.
func Default() Config {
	return Config{
		Op: AllReduce, MinBytes: 1 << 10, MaxBytes: 256 << 20, Factor: 2,
		WarmUp: 5, Iterations: 20, Duration: 5 * time.Second, Numbers: NumbersOf(codec.Float32),
	}
}

const (
	elementBytes  = 4
	maxSweepBytes = 4 << 30
	maxFactor     = 1 << 20
	maxIterations = 1 << 20
	maxBlockBytes = 64 << 20 // of one rank's block; allreduce refuses more
)

// Validate says what cannot be measured with so many ranks, in one line that names the flag, or nil.
func (c Config) Validate(ranks int) error {
	if _, err := ParseOp(string(c.Op)); err != nil {
		return fmt.Errorf("--op %w", err)
	}
	least := int64(elementBytes)
	if c.Op == AllGatherBytes {
		least *= int64(ranks)
	}
	switch {
	case ranks < 2:
		return fmt.Errorf("%d rank: a collective needs at least 2", ranks)
	case c.MinBytes < least || c.MinBytes%elementBytes != 0:
		return fmt.Errorf("--min-bytes %d: give a multiple of %d bytes, at least %d", c.MinBytes, elementBytes, least)
	case c.MaxBytes%elementBytes != 0 || c.MaxBytes > maxSweepBytes:
		return fmt.Errorf("--max-bytes %d: give a multiple of %d bytes, at most %d", c.MaxBytes, elementBytes, int64(maxSweepBytes))
	case c.MaxBytes < c.MinBytes:
		return fmt.Errorf("--max-bytes %d is below --min-bytes %d: give at least that", c.MaxBytes, c.MinBytes)
	case c.Op == AllGatherBytes && c.MaxBytes/int64(ranks) > maxBlockBytes:
		return fmt.Errorf("--max-bytes %d: a rank's block has at most %d bytes; with %d ranks give at most %d",
			c.MaxBytes, int64(maxBlockBytes), ranks, int64(maxBlockBytes)*int64(ranks))
	case c.Factor < 2 || c.Factor > maxFactor:
		return fmt.Errorf("--factor %d: give a whole number from 2 to %d", c.Factor, maxFactor)
	case c.WarmUp < 1 || c.WarmUp > maxIterations:
		return fmt.Errorf("--warmup %d: give a number of iterations from 1 to %d", c.WarmUp, maxIterations)
	case c.Iterations < 1 || c.Iterations > maxIterations:
		return fmt.Errorf("--iters %d: give a number of iterations from 1 to %d", c.Iterations, maxIterations)
	case c.Duration < 0:
		return fmt.Errorf("--duration %v: give a positive time, or 0 for no limit", c.Duration)
	case c.Numbers.limit(ranks) < 1:
		return fmt.Errorf("%d ranks: the wire format holds whole numbers up to 2^%d alone, too few to check a sum over so many ranks", ranks, c.Numbers.ExactBits)
	}
	return nil
}

// sizes are those of the sweep, in bytes.
func (c Config) sizes() []int64 {
	if c.Op == Barrier {
		return []int64{0}
	}
	var all []int64
	for bytes := c.MinBytes; bytes <= c.MaxBytes; bytes *= int64(c.Factor) {
		all = append(all, bytes)
	}
	return all
}
