package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Config is what a training run is made of. All of it must agree on all ranks.
type Config struct {
	Model        string  // name in the model table
	Epochs       int     // passes over the training set
	MaxSteps     int     // end after this many steps in all; 0 means no limit. For tests and short measurements.
	GlobalBatch  int     // samples of one step over all ranks together
	Optimizer    string  // adam or sgd
	LearningRate float64 // constant
	Momentum     float64 // of sgd; adam ignores it
	Seed         uint64  // of the initial parameters and of the order of the samples
	BucketBytes  int     // least gradient bytes that travel as one all-reduce; larger hides less, smaller costs more messages
	CheckEvery   int     // compare a checksum of the parameters over all ranks every this many steps; 0 only at the end of an epoch
}

// DefaultConfig is what `ringloom train` does without flags.
func DefaultConfig() Config {
	return Config{
		Model: "lenet", Epochs: 10, GlobalBatch: 256, Optimizer: "adam", LearningRate: 2e-3, Momentum: 0.9,
		Seed: 1, BucketBytes: 1 << 20, CheckEvery: 100,
	}
}

// Validate says in one line what cannot be run, or nil. world is the number of ranks.
func (c Config) Validate(world int) error {
	switch {
	case c.Epochs < 1:
		return fmt.Errorf("--epochs %d: at least one epoch is needed", c.Epochs)
	case c.MaxSteps < 0:
		return fmt.Errorf("--max-steps %d: give a positive number, or 0 for no limit", c.MaxSteps)
	case c.GlobalBatch < 1:
		return fmt.Errorf("--global-batch %d: at least one sample is needed", c.GlobalBatch)
	case c.GlobalBatch < world:
		return fmt.Errorf("--global-batch %d is smaller than the %d ranks: some would never have a sample; raise it to %d or more",
			c.GlobalBatch, world, world)
	case !slices.Contains(Optimizers(), c.Optimizer):
		return fmt.Errorf("--optimizer %q: choose one of %s", c.Optimizer, strings.Join(Optimizers(), ", "))
	case !(c.LearningRate > 0) || math.IsInf(c.LearningRate, 0):
		return fmt.Errorf("--lr %v: give a positive, finite learning rate", c.LearningRate)
	case !(c.Momentum >= 0 && c.Momentum < 1):
		return fmt.Errorf("--momentum %v: give a number from 0 up to, not including, 1", c.Momentum)
	case c.BucketBytes < 1:
		return fmt.Errorf("--bucket-bytes %d: give a positive number of bytes", c.BucketBytes)
	case c.CheckEvery < 0:
		return fmt.Errorf("--check-every %d: give a number of steps, or 0 for the end of each epoch alone", c.CheckEvery)
	}
	return nil
}
