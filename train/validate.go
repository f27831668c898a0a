package train

import (
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
		return bad("LabelSmoothing", c.LabelSmoothing, ": give a number from 0 up to, not including, 1")
	case c.CropPadding < 0 || c.CropPadding > data.Side/2:
		return bad("CropPadding", c.CropPadding, ": give a number of pixels from 0 to %d", data.Side/2)
	case c.Augment && c.CropPadding == 0 && !c.Flip:
		return bad("Augment", c.Augment, " changes nothing with crop padding 0 and without flip: leave it out, or give one of the two")
	}
	return nil
}

// ValidateSamples says in one line why a training set of so many samples cannot be trained on, or nil.
func (c Config) ValidateSamples(samples int) error {
	if c.GlobalBatch > samples {
		return bad("GlobalBatch", c.GlobalBatch, " is larger than the training set of %d samples: give at most that", samples)
	}
	return nil
}

func (c Config) validateSteps(world int) error {
	switch {
	case c.Epochs < 1:
		return bad("Epochs", c.Epochs, ": at least one epoch is needed")
	case c.MaxSteps < 0:
		return bad("MaxSteps", c.MaxSteps, ": give a positive number, or 0 for no limit")
	case c.GlobalBatch < 1:
		return bad("GlobalBatch", c.GlobalBatch, ": at least one sample is needed")
	case c.GlobalBatch < world:
		return bad("GlobalBatch", c.GlobalBatch, " is smaller than the %d ranks: some would never have a sample; raise it to %d or more", world, world)
	case c.Accumulate < 1:
		return bad("Accumulate", c.Accumulate, ": at least one micro-batch is needed")
	case c.GlobalBatch/world < c.Accumulate:
		return bad("Accumulate", c.Accumulate, " leaves micro-batches without a sample: a rank has %d of the %d samples of a step; give at most that", c.GlobalBatch/world, c.GlobalBatch)
	case c.BucketBytes < 0:
		return bad("BucketBytes", c.BucketBytes, ": give a positive number of bytes, or 0 for one that suits the model")
	case c.CheckpointEvery < 0:
		return bad("CheckpointEvery", c.CheckpointEvery, ": give a number of steps, or 0 for the end of each epoch alone")
	case c.CheckEvery < 0:
		return bad("CheckEvery", c.CheckEvery, ": give a number of steps, or 0 for the end of each epoch alone")
	}
	return nil
}

func (c Config) validateOptimizer() error {
	switch {
	case !slices.Contains(optim.Methods(), c.Optimizer):
		return bad("Optimizer", c.Optimizer, ": choose one of %s", strings.Join(optim.Methods(), ", "))
	case !positive(c.LearningRate):
		return bad("LearningRate", c.LearningRate, ": give a positive, finite learning rate that float32 has")
	case !inUnit(c.Momentum):
		return bad("Momentum", c.Momentum, ": give a number from 0 up to, not including, 1")
	case c.Nesterov && (c.Optimizer != "sgd" || c.Momentum == 0):
		return bad("Nesterov", c.Nesterov, " needs optimizer sgd and a momentum above 0; here they are %s and %v", c.Optimizer, c.Momentum)
	case !inUnit(c.Beta1):
		return bad("Beta1", c.Beta1, ": give a number from 0 up to, not including, 1")
	case !inUnit(c.Beta2):
		return bad("Beta2", c.Beta2, ": give a number from 0 up to, not including, 1")
	case !positive(c.Epsilon):
		return bad("Epsilon", c.Epsilon, ": give a positive, finite number that float32 has")
	case c.WeightDecay != 0 && !positive(c.WeightDecay):
		return bad("WeightDecay", c.WeightDecay, ": give a finite number that is not negative and that float32 has")
	case !(c.ClipNorm >= 0) || math.IsInf(c.ClipNorm, 0):
		return bad("ClipNorm", c.ClipNorm, ": give a positive, finite norm, or 0 for no clipping")
	}
	return nil
}

func (c Config) validateSchedule() error {
	switch {
	case !slices.Contains(optim.Schedules(), c.Schedule):
		return bad("Schedule", c.Schedule, ": choose one of %s", strings.Join(optim.Schedules(), ", "))
	case c.StepEpochs < 1:
		return bad("StepEpochs", c.StepEpochs, ": give a number of epochs, at least 1")
	case !(c.Gamma > 0) || math.IsInf(c.Gamma, 0):
		return bad("Gamma", c.Gamma, ": give a positive, finite factor")
	case !(c.MinRate >= 0 && c.MinRate <= c.LearningRate):
		return bad("MinRate", c.MinRate, ": give a rate from 0 to the learning rate, %v", c.LearningRate)
	case !(c.WarmupEpochs >= 0 && c.WarmupEpochs <= float64(c.Epochs)):
		return bad("WarmupEpochs", c.WarmupEpochs, ": give a number from 0 to that of the epochs, %d", c.Epochs)
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
		return bad("Wire", c.Wire, ": choose one of %s", wires())
	}
	if !slices.Contains(ErrorFeedbacks(), c.ErrorFeedback) {
		return bad("ErrorFeedback", c.ErrorFeedback, ": choose one of %s", strings.Join(ErrorFeedbacks(), ", "))
	}
	if c.ErrorFeedback == "on" && !c.wireFormat().Lossy() {
		return bad("ErrorFeedback", c.ErrorFeedback, " has no effect with wire %s, which loses nothing: leave it out, or choose another format", c.Wire)
	}
	return nil
}

func (c Config) validatePowerSGD() error {
	switch {
	case c.PowerSGD < 0:
		return bad("PowerSGD", c.PowerSGD, ": give the rank of the factors, such as 2 or 4, or 0 to send gradients whole")
	case c.PowerSGDStart < 0:
		return bad("PowerSGDStart", c.PowerSGDStart, ": give the number of steps that send gradients whole before")
	case c.PowerSGD > 0 && c.ShardOptimizer:
		return bad("PowerSGD", c.PowerSGD, " makes no sense with a sharded optimizer: one sends little of the gradients, the other all of the parameters; leave one out")
	}
	return nil
}
