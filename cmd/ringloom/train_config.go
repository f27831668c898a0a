package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"ringloom/allreduce/codec"
	"ringloom/data"
	"ringloom/train"
)

// configFlags are the flags of everything that must agree on all nodes.
func configFlags(fl *pflag.FlagSet, c *train.Config) {
	fl.StringVar(&c.Model, "model", c.Model, "network to train (see 'ringloom models')")
	fl.IntVar(&c.Epochs, "epochs", c.Epochs, "passes over the training set")
	fl.IntVar(&c.MaxSteps, "max-steps", c.MaxSteps, "end after this many steps (0: no limit)")
	fl.IntVar(&c.GlobalBatch, "global-batch", c.GlobalBatch, "samples of one step, over all ranks together")
	fl.IntVar(&c.Accumulate, "accumulate", c.Accumulate,
		"micro-batches that each rank takes its part of a step in, to save memory (batch norm sees a micro-batch at a time)")
	fl.BoolVar(&c.SyncBatchNorm, "sync-bn", c.SyncBatchNorm, "take batch norm's moments over all ranks' samples: one exchange a layer and pass")
	fl.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the initial parameters, the order of the samples, dropout and augmentation")
	optimizerFlags(fl, c)
	fl.Float64Var(&c.LabelSmoothing, "label-smoothing", c.LabelSmoothing, "share of the target spread over all classes; the training loss shown includes it")
	fl.BoolVar(&c.Augment, "augment", c.Augment, "shift and mirror the training images at random, anew in each epoch")
	augmentFlags(fl, &c.CropPadding, &c.Flip)
	bucketFlag(fl, &c.BucketBytes)
	exchangeFlags(fl, c)
	fl.IntVar(&c.CheckEvery, "check-every", c.CheckEvery, "compare the parameters over all ranks every this many steps (0: each epoch)")
	fl.IntVar(&c.CheckpointEvery, "checkpoint-every", c.CheckpointEvery, "keep the run's state for --resume every this many steps as well (0: at each epoch's end alone)")
}

// bucketFlag says how much of the gradients travels at once.
func bucketFlag(fl *pflag.FlagSet, bytes *int) {
	fl.Var(intByteSize{bytes}, "bucket-bytes",
		"least gradient bytes that travel as one all-reduce, "+byteSizeHelp+" (0: an eighth of the gradients, 64KiB to 8MiB)")
}

// exchangeFlags say how gradients get to the other ranks.
func exchangeFlags(fl *pflag.FlagSet, c *train.Config) {
	var formats []string
	for _, f := range codec.Formats() {
		formats = append(formats, f.String())
	}
	fl.StringVar(&c.Wire, "wire", c.Wire, "format in which gradients travel: "+strings.Join(formats, ", "))
	fl.StringVar(&c.ErrorFeedback, "error-feedback", c.ErrorFeedback,
		"add what --wire has lost of a gradient to the next one: auto (with int8), on, off; takes the gradients' memory once more")
	fl.BoolVar(&c.ShardOptimizer, "shard-optimizer", c.ShardOptimizer,
		"let each rank update a part of the parameters, so that the optimizer's memory is shared out over the ranks (ZeRO stage 1)")
	fl.IntVar(&c.PowerSGD, "powersgd", c.PowerSGD,
		"send the gradients of large fully connected weights as factors of this rank, such as 4 (0: send them whole)")
	fl.IntVar(&c.PowerSGDStart, "powersgd-start", c.PowerSGDStart, "with --powersgd: send all gradients whole in the first so many steps")
}

// optimizerFlags are the flags of the method and of its learning rate.
func optimizerFlags(fl *pflag.FlagSet, c *train.Config) {
	fl.StringVar(&c.Optimizer, "optimizer", c.Optimizer, strings.Join(train.Optimizers(), ", "))
	fl.Float64Var(&c.LearningRate, "lr", c.LearningRate, "learning rate")
	fl.Float64Var(&c.Momentum, "momentum", c.Momentum, "momentum of sgd")
	fl.BoolVar(&c.Nesterov, "nesterov", c.Nesterov, "Nesterov's momentum, of sgd")
	fl.Float64Var(&c.Beta1, "beta1", c.Beta1, "decay of the mean gradient, of adam and adamw")
	fl.Float64Var(&c.Beta2, "beta2", c.Beta2, "decay of the mean squared gradient, of adam and adamw")
	fl.Float64Var(&c.Epsilon, "epsilon", c.Epsilon, "added to the root of the mean square, of adam and adamw")
	fl.Float64Var(&c.WeightDecay, "weight-decay", c.WeightDecay,
		"as torch.optim has it, on all parameters, biases and batch norm too: added to the gradient (sgd, adam) or decoupled (adamw)")
	fl.Float64Var(&c.ClipNorm, "clip-norm", c.ClipNorm, "scale the averaged gradient down to this norm over all parameters (0: never)")
	fl.StringVar(&c.Schedule, "schedule", c.Schedule, "learning rate over time: "+strings.Join(train.Schedules(), ", "))
	fl.IntVar(&c.StepEpochs, "step-epochs", c.StepEpochs, "with --schedule step: multiply the rate by --gamma every this many epochs")
	fl.Float64Var(&c.Gamma, "gamma", c.Gamma, "with --schedule step: the factor")
	fl.Float64Var(&c.MinRate, "min-lr", c.MinRate, "with --schedule cosine: the rate at the end of the last epoch")
	fl.Float64Var(&c.WarmupEpochs, "warmup-epochs", c.WarmupEpochs, "raise the rate linearly, step by step, over so many epochs; 0.5 is half an epoch")
	fl.BoolVar(&c.ScaleRate, "scale-lr", c.ScaleRate, "multiply --lr by the number of ranks; warm-up then starts from --lr itself (Goyal et al., 2017)")
}

// augmentFlags say what augmentation does.
func augmentFlags(fl *pflag.FlagSet, cropPadding *int, flip *bool) {
	fl.IntVar(cropPadding, "crop-padding", *cropPadding,
		fmt.Sprintf("with --augment: shift by up to so many of the image's %d pixels, each way", data.Side))
	fl.BoolVar(flip, "flip", *flip, "with --augment: mirror left and right with probability 1/2")
}

// checkDependent refuses a flag that would have no effect without another, rather than ignoring it.
func checkDependent(fl *pflag.FlagSet, c train.Config) error {
	adam := c.Optimizer == "adam" || c.Optimizer == "adamw"
	for _, d := range []struct {
		flag   string
		used   bool
		needed string
	}{
		{"momentum", c.Optimizer == "sgd", "--optimizer sgd"},
		{"beta1", adam, "--optimizer adam or adamw"},
		{"beta2", adam, "--optimizer adam or adamw"},
		{"epsilon", adam, "--optimizer adam or adamw"},
		{"step-epochs", c.Schedule == "step", "--schedule step"},
		{"gamma", c.Schedule == "step", "--schedule step"},
		{"min-lr", c.Schedule == "cosine", "--schedule cosine"},
		{"crop-padding", c.Augment, "--augment"},
		{"flip", c.Augment, "--augment"},
		{"error-feedback", c.Wire != codec.Float32.String() || c.ErrorFeedback == "auto", "another --wire than float32"},
		{"powersgd-start", c.PowerSGD != 0, "--powersgd"},
	} {
		if fl.Changed(d.flag) && !d.used {
			return fmt.Errorf("--%s has no effect without %s: give that as well, or leave it out", d.flag, d.needed)
		}
	}
	return nil
}
