package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ringloom/allreduce/codec"
	"ringloom/data"
	"ringloom/train/optim"
)

// Validate says in one line what cannot be run, or nil. world is the number of ranks.
func (c Config) Validate(world int) error {
	if err := c.validateSteps(world); err != nil {
		return err
	}
	if err := c.validateWire(); err != nil {
		return err
	}
	if err := c.validatePowerSGD(); err != nil {
		return err
	}
	if err := c.validateOptimizer(); err != nil {
		return err
	}
	if err := c.validateSchedule(); err != nil {
		return err
	}
	switch {
	case !(c.LabelSmoothing >= 0 && c.LabelSmoothing < 1):
		return fmt.Errorf("--label-smoothing %v: give a number from 0 up to, not including, 1", c.LabelSmoothing)
	case c.CropPadding < 0 || c.CropPadding > data.Side/2:
		return fmt.Errorf("--crop-padding %d: give a number of pixels from 0 to %d", c.CropPadding, data.Side/2)
	case c.Augment && c.CropPadding == 0 && !c.Flip:
		return fmt.Errorf("--augment with --crop-padding 0 and --flip=false changes nothing: leave it out, or give one of the two")
	}
	return nil
}

// ValidateSamples says in one line why a training set of so many samples cannot be trained on, or nil.
func (c Config) ValidateSamples(samples int) error {
	if c.GlobalBatch > samples {
		return fmt.Errorf("--global-batch %d is larger than the training set of %d samples: give at most that", c.GlobalBatch, samples)
	}
	return nil
}

func (c Config) validateSteps(world int) error {
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
	case c.Accumulate < 1:
		return fmt.Errorf("--accumulate %d: at least one micro-batch is needed", c.Accumulate)
	case c.GlobalBatch/world < c.Accumulate:
		return fmt.Errorf("--accumulate %d leaves micro-batches without a sample: a rank has %d of the %d samples of a step; give at most that",
			c.Accumulate, c.GlobalBatch/world, c.GlobalBatch)
	case c.BucketBytes < 0:
		return fmt.Errorf("--bucket-bytes %d: give a positive number of bytes, or 0 for one that suits the model", c.BucketBytes)
	case c.CheckpointEvery < 0:
		return fmt.Errorf("--checkpoint-every %d: give a number of steps, or 0 for the end of each epoch alone", c.CheckpointEvery)
	case c.CheckEvery < 0:
		return fmt.Errorf("--check-every %d: give a number of steps, or 0 for the end of each epoch alone", c.CheckEvery)
	}
	return nil
}

func (c Config) validateOptimizer() error {
	switch {
	case !slices.Contains(optim.Methods(), c.Optimizer):
		return fmt.Errorf("--optimizer %q: choose one of %s", c.Optimizer, strings.Join(optim.Methods(), ", "))
	case !positive(c.LearningRate):
		return fmt.Errorf("--lr %v: give a positive, finite learning rate that float32 has", c.LearningRate)
	case !inUnit(c.Momentum):
		return fmt.Errorf("--momentum %v: give a number from 0 up to, not including, 1", c.Momentum)
	case c.Nesterov && (c.Optimizer != "sgd" || c.Momentum == 0):
		return fmt.Errorf("--nesterov needs --optimizer sgd and a --momentum above 0; here they are %s and %v", c.Optimizer, c.Momentum)
	case !inUnit(c.Beta1):
		return fmt.Errorf("--beta1 %v: give a number from 0 up to, not including, 1", c.Beta1)
	case !inUnit(c.Beta2):
		return fmt.Errorf("--beta2 %v: give a number from 0 up to, not including, 1", c.Beta2)
	case !positive(c.Epsilon):
		return fmt.Errorf("--epsilon %v: give a positive, finite number that float32 has", c.Epsilon)
	case c.WeightDecay != 0 && !positive(c.WeightDecay):
		return fmt.Errorf("--weight-decay %v: give a finite number that is not negative and that float32 has", c.WeightDecay)
	case !(c.ClipNorm >= 0) || math.IsInf(c.ClipNorm, 0):
		return fmt.Errorf("--clip-norm %v: give a positive, finite norm, or 0 for no clipping", c.ClipNorm)
	}
	return nil
}

func (c Config) validateSchedule() error {
	switch {
	case !slices.Contains(optim.Schedules(), c.Schedule):
		return fmt.Errorf("--schedule %q: choose one of %s", c.Schedule, strings.Join(optim.Schedules(), ", "))
	case c.StepEpochs < 1:
		return fmt.Errorf("--step-epochs %d: give a number of epochs, at least 1", c.StepEpochs)
	case !(c.Gamma > 0) || math.IsInf(c.Gamma, 0):
		return fmt.Errorf("--gamma %v: give a positive, finite factor", c.Gamma)
	case !(c.MinRate >= 0 && c.MinRate <= c.LearningRate):
		return fmt.Errorf("--min-lr %v: give a rate from 0 to that of --lr, %v", c.MinRate, c.LearningRate)
	case !(c.WarmupEpochs >= 0 && c.WarmupEpochs <= float64(c.Epochs)):
		return fmt.Errorf("--warmup-epochs %v: give a number from 0 to that of --epochs, %d", c.WarmupEpochs, c.Epochs)
	}
	return nil
}

// positive says that x is above 0, and finite, as the float32 that kernels take.
func positive(x float64) bool { return float32(x) > 0 && float32(x) <= math.MaxFloat32 }

func inUnit(x float64) bool { return x >= 0 && x < 1 }

// ErrorFeedbacks lists the values that Config.ErrorFeedback takes.
func ErrorFeedbacks() []string { return []string{"auto", "on", "off"} }

func (c Config) validateWire() error {
	if _, err := codec.Parse(c.Wire); err != nil {
		return fmt.Errorf("--wire %w", err)
	}
	if !slices.Contains(ErrorFeedbacks(), c.ErrorFeedback) {
		return fmt.Errorf("--error-feedback %q: choose one of %s", c.ErrorFeedback, strings.Join(ErrorFeedbacks(), ", "))
	}
	if c.ErrorFeedback == "on" && !c.wireFormat().Lossy() {
		return fmt.Errorf("--error-feedback on has no effect with --wire %s, which loses nothing: leave it out, or choose another format", c.Wire)
	}
	return nil
}

func (c Config) validatePowerSGD() error {
	switch {
	case c.PowerSGD < 0:
		return fmt.Errorf("--powersgd %d: give the rank of the factors, such as 2 or 4, or 0 to send gradients whole", c.PowerSGD)
	case c.PowerSGDStart < 0:
		return fmt.Errorf("--powersgd-start %d: give the number of steps that send gradients whole before", c.PowerSGDStart)
	case c.PowerSGD > 0 && c.ShardOptimizer:
		return fmt.Errorf("--powersgd with --shard-optimizer makes no sense: one sends little of the gradients, the other all of the parameters; leave one out")
	}
	return nil
}
