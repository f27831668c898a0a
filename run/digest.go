package run

import (
	"fmt"
	"strconv"

	"ringloom/cluster"
	"ringloom/train"
)

// digest is what all nodes must agree on; the cluster shows the difference to a node that does not.
func (c Config) digest(dataHash, initHash string) cluster.Digest {
	d := cluster.Digest{
		{Name: "version", Value: c.Version},
		{Name: "model", Value: c.Train.Model},
		{Name: "initial parameters", Value: initHash},
		{Name: "data", Value: dataHash},
		{Name: "autotune", Value: fmt.Sprint(c.Autotune)},
		{Name: "NATS", Value: c.Member.NATSKind()},
	}
	d = append(d, c.Ring.Digest()...)
	return append(d, configDigest(c.Train)...)
}

// mustAgree are the settings that give a state's file its meaning: the rest may change when a run goes on.
var mustAgree = []string{"model", "data", "seed", "global batch", "optimizer"}

// withoutEffect are those that change no number.
var withoutEffect = []string{"max steps", "check every", "checkpoint every"}

// configDigest lists everything that is trained with: all nodes must agree on it.
func configDigest(c train.Config) cluster.Digest {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	return cluster.Digest{
		{Name: "epochs", Value: strconv.Itoa(c.Epochs)},
		{Name: "max steps", Value: strconv.Itoa(c.MaxSteps)},
		{Name: "global batch", Value: strconv.Itoa(c.GlobalBatch)},
		{Name: "accumulate", Value: strconv.Itoa(c.Accumulate)},
		{Name: "seed", Value: strconv.FormatUint(c.Seed, 10)},
		{Name: "bucket bytes", Value: strconv.Itoa(c.BucketBytes)},
		{Name: "check every", Value: strconv.Itoa(c.CheckEvery)},
		{Name: "checkpoint every", Value: strconv.Itoa(c.CheckpointEvery)},
		{Name: "sync batch norm", Value: strconv.FormatBool(c.SyncBatchNorm)},
		{Name: "wire", Value: c.Wire},
		{Name: "error feedback", Value: c.ErrorFeedback},
		{Name: "sharded optimizer", Value: strconv.FormatBool(c.ShardOptimizer)},
		{Name: "PowerSGD", Value: strconv.Itoa(c.PowerSGD)},
		{Name: "PowerSGD start", Value: strconv.Itoa(c.PowerSGDStart)},
		{Name: "optimizer", Value: c.Optimizer},
		{Name: "learning rate", Value: number(c.LearningRate)},
		{Name: "momentum", Value: number(c.Momentum)},
		{Name: "Nesterov", Value: strconv.FormatBool(c.Nesterov)},
		{Name: "beta1", Value: number(c.Beta1)},
		{Name: "beta2", Value: number(c.Beta2)},
		{Name: "epsilon", Value: number(c.Epsilon)},
		{Name: "weight decay", Value: number(c.WeightDecay)},
		{Name: "clip norm", Value: number(c.ClipNorm)},
		{Name: "schedule", Value: c.Schedule},
		{Name: "step epochs", Value: strconv.Itoa(c.StepEpochs)},
		{Name: "gamma", Value: number(c.Gamma)},
		{Name: "minimum rate", Value: number(c.MinRate)},
		{Name: "warm-up epochs", Value: number(c.WarmupEpochs)},
		{Name: "scale rate", Value: strconv.FormatBool(c.ScaleRate)},
		{Name: "label smoothing", Value: number(c.LabelSmoothing)},
		{Name: "augment", Value: strconv.FormatBool(c.Augment)},
		{Name: "crop padding", Value: strconv.Itoa(c.CropPadding)},
		{Name: "flip", Value: strconv.FormatBool(c.Flip)},
	}
}
