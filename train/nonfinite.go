package train

import (
	"context"
	"fmt"
	"math"
	"strings"

	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/shard"
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
	return fmt.Sprintf("%s is %v at epoch %d, step %d, in a batch of %d (%s); all ranks stop before the update: lower --lr (now %.4g), or look at these samples",
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
	return fmt.Sprintf("element %d of %s is %v after step %d: all ranks stop, and what was kept before stays: lower --lr (now %.4g)",
		e.Element, e.Name, e.Value, e.Steps, e.Rate)
}

// checkFinite looks at the parameters in memory, and at the running moments where they are shared: at what all ranks have alike.
func (w *Worker) checkFinite() error {
	broken := func(tensors []nn.Param, memory []float32) error {
		for _, p := range tensors {
			for i, v := range memory[p.Offset : p.Offset+p.Len] {
				if v-v != 0 { // NaN, for infinities too
					return &NonFiniteParameterError{p.Name, i, float64(v), w.steps, w.schedule.rate(w.steps - 1)}
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

// verdicts tells every rank whether all losses of a step are finite. It is a vector with one element a rank, summed over
// the ring while backward runs: so nobody waits for it, and every rank ends with the same error without a further message.
type verdicts struct {
	ring    *allreduce.Group
	codes   []float32 // 0 for a finite loss, else as encodeVerdict makes it
	pending *allreduce.Pending
	first   int // this rank's first micro-batch whose loss is not finite, -1 without
	value   float64
}

func newVerdicts(ring *allreduce.Group, world int) *verdicts {
	return &verdicts{ring: ring, codes: make([]float32, world), first: -1}
}

// add looks at the loss of one of this rank's micro-batches.
func (v *verdicts) add(micro int, loss float64) {
	if v.first < 0 && !finite(loss) {
		v.first, v.value = micro, loss
	}
}

// start sends this rank's verdict. bucket is a number that no gradient's bucket has.
func (v *verdicts) start(rank, bucket int) {
	clear(v.codes)
	if v.first >= 0 {
		v.codes[rank] = encodeVerdict(v.first, v.value)
	}
	v.first = -1
	v.pending = v.ring.StartAllReduce(v.codes, allreduce.Sum{Bucket: bucket})
}

// wait returns the first rank with a loss that is not finite, in which of its micro-batches, and that loss; -1 where all
// are finite.
func (v *verdicts) wait(ctx context.Context) (rank, micro int, value float64, err error) {
	if err := v.pending.Wait(ctx); err != nil {
		return -1, 0, 0, err
	}
	for rank, code := range v.codes {
		if code != 0 {
			micro, value = decodeVerdict(code)
			return rank, micro, value, nil
		}
	}
	return -1, 0, 0, nil
}

// verdictKinds are the losses that are not finite.
var verdictKinds = [3]float64{math.NaN(), math.Inf(1), math.Inf(-1)}

// encodeVerdict packs a micro-batch and the kind of its loss into a positive number that float32 holds exactly (the
// micro-batches of any data set are fewer than 2^22).
func encodeVerdict(micro int, loss float64) float32 {
	kind := 0
	if math.IsInf(loss, 1) {
		kind = 1
	} else if math.IsInf(loss, -1) {
		kind = 2
	}
	return float32(1 + len(verdictKinds)*micro + kind)
}

func decodeVerdict(code float32) (micro int, loss float64) {
	n := int(code) - 1
	return n / len(verdictKinds), verdictKinds[n%len(verdictKinds)]
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// lossError is the error of a rank's loss in the micro-batch of a step. Before it comes back this rank plays its part in
// the collectives under way, so that no neighbour takes its end for the cause.
func (w *Worker) lossError(ctx context.Context, at place, rank, micro int, value float64) error {
	for _, p := range w.pending {
		_ = p.Wait(ctx) // the step is lost already
	}
	samples, err := w.samplesOf(at, w.WorldSize, rank)
	if err != nil {
		return err
	}
	lo, hi := shard.EvalRange(len(samples), w.microBatches(at.globalLen, len(samples)), micro)
	return &NonFiniteError{Rank: rank, Value: value, Epoch: at.epoch, Step: at.step + 1, Samples: samples[lo:hi], Rate: w.schedule.rate(w.steps)}
}

// normError is the error of a gradient norm. All ranks have it at once; the barrier lets the slowest leave its last
// collective.
func (w *Worker) normError(ctx context.Context, at place, norm float64) error {
	_ = w.Ring.Barrier(ctx) // the step is lost already
	samples, err := w.samplesOf(at, 1, 0)
	if err != nil {
		return err
	}
	return &NonFiniteError{Rank: -1, Value: norm, Epoch: at.epoch, Step: at.step + 1, Samples: samples, Rate: w.schedule.rate(w.steps)}
}

// samplesOf is the part of a step's global batch that a rank of a world has.
func (w *Worker) samplesOf(at place, world, rank int) ([]int32, error) {
	sampler, err := shard.New(w.shardConfig(world, rank))
	if err != nil {
		return nil, err
	}
	return sampler.Batch(at.epoch, at.step, nil), nil
}
