package train

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"ringloom/allreduce/tune"
	"ringloom/data"
	"ringloom/models"
	"ringloom/train/gradsync"
	"ringloom/train/optim"
)

// BucketTrial is a bucket size that was tried.
type BucketTrial struct {
	BucketBytes int     `json:"bucket_bytes"`
	Buckets     int     `json:"buckets"`
	Seconds     float64 `json:"seconds"` // the best step: of its slowest rank, from the batch to the last sum
}

const (
	tuneSteps = 3    // measured for each bucket size, after one that is not
	tuneGain  = 0.05 // by which part a size must be faster than the best so far to be taken
)

// bucketSizes are tried besides the configured one. Those that divide the model in the same way count once.
var bucketSizes = []int{512 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// TuneBuckets finds the bucket size with which a training step is fastest here, by taking steps without an update: forward,
// backward, and the sums meanwhile. All ranks call it at the same time and come to the same choice. It needs the device's
// memory for a model, parameters and gradients, so give it a device of its own and close that afterwards. The trials are
// in the order of trying, the configured size first; a model of few gradients has no other and is not measured.
func TuneBuckets(ctx context.Context, o Options) (bucketBytes int, trials []BucketTrial, err error) {
	model, err := models.Lookup(o.Model)
	if err != nil {
		return 0, nil, err
	}
	return tuneBuckets(ctx, o, model)
}

func tuneBuckets(ctx context.Context, o Options, model models.Spec) (bucketBytes int, trials []BucketTrial, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if o.Accumulate > 1 { // of a step's micro-batches the last is the one that overlaps with the ring
		o.GlobalBatch, o.Accumulate = max(o.WorldSize, o.GlobalBatch/o.Accumulate), 1
	}
	w, err := newPasses(o, model)
	if err != nil {
		return 0, nil, err
	}
	sizes, plans := w.distinctPlans()
	if len(plans) == 1 {
		return sizes[0], nil, nil
	}
	if w.plans != nil {
		w.plans = plans // one program is cut for all of them
	}
	batch, err := w.firstBatch(ctx)
	if err != nil {
		return 0, nil, err
	}
	w.clock.restart(new(Timing))
	best := 0
	for i, plan := range plans {
		if err := w.divide(w.trial(sizes[i])); err != nil {
			return 0, nil, err
		}
		seconds, err := w.timeSteps(ctx, batch)
		if err != nil {
			return 0, nil, fmt.Errorf("trying buckets of %d bytes: %w", sizes[i], err)
		}
		trials = append(trials, BucketTrial{sizes[i], len(plan), seconds})
		if seconds < trials[best].Seconds*(1-tuneGain) {
			best = i
		}
	}
	return trials[best].BucketBytes, trials, nil
}

// trial is how gradients travel while a bucket size is tried: as in the run, but nothing is updated.
func (w *Worker) trial(bucketBytes int) gradsync.Config {
	c := w.gradients(w.Rank, w.WorldSize)
	c.BucketBytes, c.MicroBatches, c.ErrorFeedback, c.Norm, c.Optimizer = bucketBytes, 1, false, false, optim.Config{}
	return c
}

// distinctPlans are the bucket sizes that divide the parameters differently, the configured one first.
func (w *Worker) distinctPlans() (sizes []int, plans []gradsync.Plan) {
	first := w.trial(w.BucketBytes).BucketBytesFor(w.params.List)
	for _, bytes := range append([]int{first}, bucketSizes...) {
		plan := gradsync.NewPlan(w.trial(bytes), w.params.List)
		if slices.ContainsFunc(plans, func(p gradsync.Plan) bool { return slices.Equal(p, plan) }) {
			continue
		}
		sizes, plans = append(sizes, bytes), append(plans, plan)
	}
	return sizes, plans
}

// firstBatch is this rank's part of the run's first step.
func (w *Worker) firstBatch(ctx context.Context) (*data.Batch, error) {
	loader := w.images.loader(w.Train, 1, data.Augmentation{}, func(step int, dst []int32) []int32 {
		return w.sampler.Batch(1, step, dst)
	})
	defer loader.Close()
	return loader.Next(ctx)
}

// timeSteps takes steps up to the last sum, drops them, and returns the seconds of the best.
func (w *Worker) timeSteps(ctx context.Context, batch *data.Batch) (float64, error) {
	at := place{1, 0, w.sampler.GlobalLen(1, 0)}
	var seconds []float64
	for step := range tuneSteps + 1 {
		if err := w.Ring.Barrier(ctx); err != nil {
			return 0, err
		}
		begin := time.Now()
		if _, err := w.passes(ctx, at, batch); err != nil {
			return 0, err
		}
		if err := w.grads.Wait(ctx); err != nil {
			return 0, w.stepError(ctx, at, err)
		}
		if step > 0 {
			seconds = append(seconds, time.Since(begin).Seconds())
		}
		if err := w.abort(nil); err != nil {
			return 0, err
		}
	}
	return tune.BestRound(ctx, w.Ring, seconds)
}
