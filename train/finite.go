package train

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ringloom/nn"
	"ringloom/shard"
	"ringloom/train/gradsync"
)

// NonFiniteError ends a run on every rank alike: a loss, or the gradient, is NaN or infinite. No rank has applied the
// step.
type NonFiniteError struct {
	Rank        int     // whose loss it is, the first of several; -1 where it is the norm of the averaged gradient
	Value       float64 // NaN or an infinity
	Epoch, Step int     // from 1; the step within the epoch
	Samples     []int32 // the batch: that rank's micro-batch, or the global batch
	Rate        float64 // the learning rate of the step
}

func (e *NonFiniteError) Error() string {
	what := fmt.Sprintf("the loss of rank %d", e.Rank)
	if e.Rank < 0 {
		what = "the norm of the averaged gradient"
	}
	return fmt.Sprintf("%s is %v at epoch %d, step %d, in a batch of %d (%s); all ranks stop before the update: lower the learning rate (now %.4g), or look at these samples",
		what, e.Value, e.Epoch, e.Step, len(e.Samples), describeSamples(e.Samples), e.Rate)
}

// NonFiniteParameterError ends a run on every rank alike: an update has made a parameter, or a shared running moment, NaN or
// infinite, though the losses before it were finite. Nothing of it has been kept.
type NonFiniteParameterError struct {
	Name    string  // of the tensor
	Element int     // the first such one
	Value   float64 // NaN or an infinity
	Steps   int     // that were done
	Rate    float64 // the learning rate of the last of them
}

func (e *NonFiniteParameterError) Error() string {
	return fmt.Sprintf("element %d of %s is %v after step %d: all ranks stop, and what was kept before stays: lower the learning rate (now %.4g)",
		e.Element, e.Name, e.Value, e.Steps, e.Rate)
}

// checkFinite looks at the parameters in memory, and at the running moments where they are shared: at what all ranks have alike.
func (w *Worker) checkFinite() error {
	broken := func(tensors []nn.Param, memory []float32) error {
		for _, p := range tensors {
			for i, v := range memory[p.Offset : p.Offset+p.Len] {
				if v-v != 0 { // NaN, for infinities too
					return &NonFiniteParameterError{p.Name, i, float64(v), w.steps, w.schedule.Rate(w.steps - 1)}
				}
			}
		}
		return nil
	}
	err := broken(w.params.List, w.values())
	if err == nil && w.moments.shared {
		err = broken(w.params.State, w.params.StateValues.Host)
	}
	return err
}

// describeSamples lists the first of them and the last.
func describeSamples(samples []int32) string {
	const most = 6
	var b strings.Builder
	b.WriteString("samples")
	for i, s := range samples {
		if i >= most && i < len(samples)-1 {
			if i == most {
				b.WriteString(", ...")
			}
			continue
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %d", s)
	}
	return b.String()
}

// normError says that the norm of the averaged gradient is not finite. All ranks have it at once.
type normError struct{ norm float64 }

func (e *normError) Error() string {
	return fmt.Sprintf("the norm of the averaged gradient is %v", e.norm)
}

// stepError is what a step ends with: where a loss or the norm is not finite, an error that names the samples.
func (w *Worker) stepError(ctx context.Context, at place, err error) error {
	e := &NonFiniteError{Epoch: at.epoch, Step: at.step + 1, Rate: w.schedule.Rate(w.steps)}
	var loss *gradsync.LossError
	var norm *normError
	switch {
	case errors.As(err, &loss):
		e.Rank, e.Value = loss.Rank, loss.Value
		samples, err := w.samplesOf(at, w.WorldSize, loss.Rank)
		if err != nil {
			return err
		}
		lo, hi := shard.EvalRange(len(samples), w.microBatches(at.globalLen, len(samples)), loss.Micro)
		e.Samples = samples[lo:hi]
		return e
	case errors.As(err, &norm):
		_ = w.Ring.Barrier(ctx) // lets the slowest rank leave its last collective; the step is lost already
		e.Rank, e.Value = -1, norm.norm
		if e.Samples, err = w.samplesOf(at, 1, 0); err != nil {
			return err
		}
		return e
	}
	return err
}

// samplesOf is the part of a step's global batch that a rank of a world has.
func (w *Worker) samplesOf(at place, world, rank int) ([]int32, error) {
	sampler, err := shard.New(w.shardConfig(world, rank))
	if err != nil {
		return nil, err
	}
	return sampler.Batch(at.epoch, at.step, nil), nil
}
