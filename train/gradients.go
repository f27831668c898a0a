package train

import (
	"ringloom/allreduce/codec"
	"ringloom/nn"
	"ringloom/train/gradsync"
	"ringloom/train/optim"
)

// wireFormat is how the sums of gradients travel. Config was validated.
func (c Config) wireFormat() codec.Format {
	f, _ := codec.Parse(c.Wire)
	return f
}

// feedsBack says whether what the wire format loses of a gradient is added to the next one. Int8 rounds by more than the
// 16-bit formats, whose rounding is smaller than a gradient's own noise.
func (c Config) feedsBack() bool {
	f := c.wireFormat()
	return f.Lossy() && (c.ErrorFeedback == "on" || c.ErrorFeedback == "auto" && f == codec.Int8)
}

// gradients is the part of the configuration that says what becomes of the gradients of a rank.
func (c Config) gradients(rank, world int) gradsync.Config {
	return gradsync.Config{
		Rank: rank, WorldSize: world, BucketBytes: c.BucketBytes, MicroBatches: c.Accumulate,
		Format: c.wireFormat(), ErrorFeedback: c.feedsBack(), Shard: c.ShardOptimizer,
		PowerSGD: c.PowerSGD, PowerSGDStart: c.PowerSGDStart, Seed: c.Seed, Norm: c.ClipNorm > 0,
		Optimizer: optim.Config{
			Method: c.Optimizer, Momentum: c.Momentum, Nesterov: c.Nesterov,
			Beta1: c.Beta1, Beta2: c.Beta2, Epsilon: c.Epsilon, WeightDecay: c.WeightDecay,
		},
	}
}

// rates is the part that says how the learning rate moves.
func (c Config) rates(world, stepsPerEpoch int) optim.ScheduleConfig {
	return optim.ScheduleConfig{
		Kind: c.Schedule, LearningRate: c.LearningRate, WorldSize: world, ScaleRate: c.ScaleRate,
		Epochs: c.Epochs, StepsPerEpoch: stepsPerEpoch, WarmupEpochs: c.WarmupEpochs,
		StepEpochs: c.StepEpochs, Gamma: c.Gamma, MinRate: c.MinRate,
	}
}

// BucketLengths are the elements of the buckets in which a model's gradients travel, in their order.
func BucketLengths(c Config, model nn.Info) []int {
	var lengths []int
	for _, b := range gradsync.NewPlan(c.gradients(0, 1), model.Params) {
		lengths = append(lengths, b.Len())
	}
	return lengths
}

// ValidateModel says in one line what a model with these parameters makes impossible, or nil.
func (c Config) ValidateModel(params []nn.Param) error {
	if c.PowerSGD == 0 || c.gradients(0, 1).FactorsLen(params) > 0 {
		return nil
	}
	return bad("PowerSGD", c.PowerSGD,
		": %s has no fully connected weights of at least %d elements that factors of this rank would shrink to less than a half: give a lower rank, or leave it out",
		c.Model, gradsync.LeastLowRank)
}
