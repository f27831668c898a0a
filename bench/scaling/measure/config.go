package measure

import (
	"fmt"
	"slices"
	"time"

	"ringloom/bench/step"
	"ringloom/models"
	"ringloom/train"
)

// Config says what is measured at one number of ranks. It must be the same on all ranks.
type Config struct {
	Model models.Spec
	// GlobalBatches are the images of a step over all ranks; each is measured.
	GlobalBatches []int
	// WarmUp steps come first; at least 2, the first of which includes what is done once.
	WarmUp int
	// Steps are measured; 0 means as many as fit into Duration, at least MinSteps and at most MaxSteps.
	Steps    int
	Duration time.Duration
	// BucketBytes and Wire are those of train.Config.
	BucketBytes int
	Wire        string
	// Seed is that of the parameters, the order of the samples, dropout, and of random pixels.
	Seed uint64
	// Collectives are the sizes in bytes of the all-reduces that are timed alone; none where there is one rank.
	Collectives []int64
}

// trainSamples is the size of Fashion-MNIST's training set.
const trainSamples = 60_000

// Bounds of the number of measured steps.
const (
	MinSteps = 3
	MaxSteps = 20_000
)

// maxCollective keeps the two buffers of a timed all-reduce within a machine's memory.
const maxCollective = 1 << 30

// DefaultConfig is that of `ringloom bench scaling`; Model and GlobalBatches are the caller's to fill.
func DefaultConfig() Config {
	t := train.DefaultConfig()
	return Config{
		WarmUp: 3, Duration: 5 * time.Second, BucketBytes: t.BucketBytes, Wire: t.Wire, Seed: t.Seed,
		Collectives: []int64{4 << 10, 64 << 10, 1 << 20, 16 << 20},
	}
}

// DefaultBatch is the number of images of a rank's step where none is asked for.
func DefaultBatch(model string) int { return step.DefaultBatch(model) }

// Validate says what cannot be measured with so many ranks, in one line that names the flag, or returns nil.
func (c Config) Validate(ranks int) error {
	for _, b := range c.GlobalBatches {
		if b > trainSamples {
			return fmt.Errorf("a global batch of %d images: the training set has %d; lower --batch, --global-batch or the number of ranks", b, trainSamples)
		}
		if b < ranks {
			return fmt.Errorf("--global-batch %d: %d ranks cannot share it; give at least one image per rank", b, ranks)
		}
	}
	switch {
	case c.Model.Build == nil || len(c.GlobalBatches) == 0:
		return fmt.Errorf("a model and a global batch are needed")
	case c.WarmUp < 2 || c.WarmUp > MaxSteps:
		return fmt.Errorf("--warmup %d: give a number of steps from 2 to %d", c.WarmUp, MaxSteps)
	case c.Steps < 0 || c.Steps > MaxSteps:
		return fmt.Errorf("--steps %d: give a number up to %d, or 0 for as many as --duration allows", c.Steps, MaxSteps)
	case c.Steps == 0 && c.Duration <= 0:
		return fmt.Errorf("--duration %v: give a positive time, or a number of --steps", c.Duration)
	case c.BucketBytes < 0:
		return fmt.Errorf("--bucket-bytes %d: give a positive number of bytes, or 0 for one that suits the model", c.BucketBytes)
	}
	for i, b := range c.Collectives {
		if b < 4 || b%4 != 0 || b > maxCollective {
			return fmt.Errorf("--sizes: an all-reduce of %d bytes: give a multiple of 4 up to %d", b, int64(maxCollective))
		}
		if slices.Contains(c.Collectives[:i], b) {
			return fmt.Errorf("--sizes: %d bytes twice: give each size once", b)
		}
	}
	return nil
}

// steps that fit into the duration, by the time of one in seconds.
func (c Config) steps(seconds float64) int {
	if c.Steps > 0 {
		return c.Steps
	}
	return int(min(MaxSteps, max(MinSteps, c.Duration.Seconds()/max(seconds, 1e-9))))
}

// training is the run of one global batch.
func (c Config) training(globalBatch int) train.Config {
	t := train.DefaultConfig()
	t.Model, t.GlobalBatch, t.Seed, t.BucketBytes, t.Wire = c.Model.Name, globalBatch, c.Seed, c.BucketBytes, c.Wire
	t.Epochs = 2 * (c.WarmUp + MaxSteps) // the steps end it
	t.CheckEvery = 0
	t.LearningRate = 1e-3
	return t
}
