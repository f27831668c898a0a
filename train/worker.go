package train

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/shard"
	"ringloom/timeline"
)

// Options is what one rank brings to a run besides the Config that all share. The Worker uses Device and Ring and
// closes neither.
type Options struct {
	Config
	Device          op.Device
	Ring            *allreduce.Group
	Rank, WorldSize int
	Train, Test     *data.Dataset

	// OnStep is called after every step, on the training thread; it must not block. May be nil.
	OnStep func(Step)
	// OnEpoch is called on every rank after every epoch with the same outcome. May be nil.
	OnEpoch func(Epoch) error
	// OnState is called on every rank when the run's state is to be kept: after OnEpoch, and every Config.CheckpointEvery
	// steps. Until it returns, the parameters and the State stand still, and StateValues is the mean over ranks. May be nil,
	// on all ranks.
	OnState func(State) error
	// Recorder gets what this rank does and when; EventsPerStep says how much. nil records nothing. On all ranks or on
	// some: nothing depends on it.
	Recorder *timeline.Recorder
}

// Step is this rank's progress.
type Step struct {
	Epoch, Step, Steps int     // epoch from 1, step from 1
	Loss               float64 // this rank's mean loss per sample in this step; NaN if it had no sample
	Samples            int     // of this rank in this epoch so far
}

// Worker trains one rank.
type Worker struct {
	Options
	model    models.Spec
	params   *nn.Params
	programs map[programKey]*exec.Program
	sampler  *shard.Sampler
	schedule schedule
	steps    int  // done in all epochs
	blind    bool // the device looks at no image

	acc        op.Accelerator // the device, if it is one
	ahead      bool           // the host queues the backward pass before it knows the loss
	resampling op.Resampling  // of images, which an accelerator takes as they are stored
	cuts       [][]bucket     // the plans whose buckets start in the middle of the backward pass
	copies     *copies
	meter      *meter
	zeros      []float32 // for buckets that are blank on an accelerator

	opt          *optimizer
	clip         *clipper      // nil without clipping
	norms        norms         // of the epoch, where it clips
	normExchange *normExchange // nil where each rank has the whole gradient
	accumulated  *accumulator  // nil without accumulation
	sync         *momentSync   // nil without synchronised batch norm
	moments      runningMoments
	verdicts     *verdicts

	wire         codec.Format
	wireFeedback bool      // what the wire format loses goes into residual
	residual     op.Buffer // what this rank has yet to add to the sums of gradients; empty where nothing is lost

	low *powerSGD // nil without

	tracker *bucketTracker
	pending []*allreduce.Pending // sums, by bucket
	gathers []*allreduce.Pending // of updated parameters, by bucket, where the optimizer is sharded
	ready   func(param int)      // startBuckets, bound once
	kept    bool                 // micro-batches before the last are in accumulated
	idle    bool                 // the last micro-batch has no sample of this rank
	late    error                // the first of what cannot return one, such as ready

	resume  *State   // what Resume was given
	partial *Partial // what this rank has of the first epoch already, nil where it begins with it
}

// imageIgnorer is a Device that may not look at images, as package emulate's: then none is loaded.
type imageIgnorer interface{ IgnoresImages() bool }

// NewWorker builds the model at the shapes that the run needs.
func NewWorker(o Options) (*Worker, error) {
	if err := o.Validate(o.WorldSize); err != nil {
		return nil, err
	}
	model, err := models.Lookup(o.Model)
	if err != nil {
		return nil, err
	}
	return newWorker(o, model)
}

func newWorker(o Options, model models.Spec) (*Worker, error) {
	w, err := newPasses(o, model)
	if err != nil {
		return nil, err
	}
	if err := w.prepareStep(); err != nil {
		return nil, err
	}
	return w, w.compileAll()
}

// newPasses makes what forward and backward passes need, without what becomes of the gradients.
func newPasses(o Options, model models.Spec) (_ *Worker, err error) {
	if err := o.ValidateSamples(o.Train.N); err != nil {
		return nil, err
	}
	w := &Worker{Options: o, model: model, programs: map[programKey]*exec.Program{}}
	if d, ok := o.Device.(imageIgnorer); ok {
		w.blind = d.IgnoresImages()
	}
	if w.acc, _ = o.Device.(op.Accelerator); w.acc != nil {
		w.resampling.From = o.Train.Side
		w.resampling.Bounds, w.resampling.Weights, w.resampling.Taps = data.ResizeTaps(o.Train.Side, model.InputSide)
	}
	if w.sampler, err = shard.New(w.shardConfig(o.WorldSize, o.Rank)); err != nil {
		return nil, err
	}
	w.schedule = newSchedule(o.Config, o.WorldSize, w.sampler.Steps())
	if w.params, err = model.NewParams(o.Device); err != nil {
		return nil, fmt.Errorf("building %s: %w", o.Model, err)
	}
	if err := o.ValidateModel(w.params.List); err != nil {
		return nil, err
	}
	return w, w.params.Init(o.Seed)
}

// divide divides the gradients into buckets. Where ranks meet in the middle of the passes, the host cannot be ahead of an
// accelerator.
func (w *Worker) divide(plan []bucket) {
	w.tracker = newBucketTracker(plan, len(w.params.List))
	w.pending = make([]*allreduce.Pending, len(plan))
	if w.acc == nil {
		return
	}
	w.ahead = w.sync == nil
	w.meter = &meter{acc: w.acc, quiet: !w.travels()}
	if w.travels() {
		w.copies = newCopies(w.acc, w.params, plan)
	}
}

// loadSide is the side of the images that the loader makes: an accelerator resizes them itself.
func (w *Worker) loadSide(set *data.Dataset) int {
	if w.acc != nil {
		return set.Side
	}
	return w.model.InputSide
}

func (w *Worker) shardConfig(world, rank int) shard.Config {
	return shard.Config{Samples: w.Train.N, GlobalBatch: w.GlobalBatch, WorldSize: world, Rank: rank, Seed: w.Seed, Shuffle: true}
}

// prepareStep makes what a step needs besides the programs.
func (w *Worker) prepareStep() (err error) {
	spans := w.spans(w.params.List)
	plan := planBuckets(spans, w.BucketBytes)
	w.gathers = make([]*allreduce.Pending, len(plan))
	w.wire, w.wireFeedback = w.wireFormat(), w.feedsBack()
	w.ready = w.startBuckets
	w.verdicts = newVerdicts(w.Ring, w.WorldSize)
	if w.SyncBatchNorm && w.WorldSize > 1 {
		w.sync = &momentSync{ring: w.Ring, bucket: len(plan) + 1, recorder: w.Recorder}
	}
	w.cuts = [][]bucket{plan}
	w.divide(plan)
	owned := ownAll(plan)
	if w.ShardOptimizer {
		owned = ownShard(plan, func(length int) []allreduce.Range { return w.Ring.Shard(length, w.Rank) })
		w.normExchange = newNormExchange(w.Ring, w.WorldSize, len(plan)+2)
	}
	if w.opt, err = newOptimizer(w.Config, w.Device, w.params, owned); err != nil {
		return err
	}
	if w.clip, err = newClipper(w.ClipNorm, w.Device, w.params, owned); err != nil {
		return err
	}
	if w.remembers() {
		if w.residual, err = hostAlloc(w.Device, w.params.Len()); err != nil {
			return fmt.Errorf("allocating the memory of error feedback: %w", err)
		}
	}
	if w.low, err = newPowerSGD(w.Config, w.WorldSize, w.Device, w.params, w.residual, plan); err != nil {
		return err
	}
	if w.Accumulate > 1 {
		w.accumulated, err = newAccumulator(w.Device, w.params, plan)
	}
	return err
}

// values and grads are the host's memory of parameters and gradients, on an accelerator their mirrors.
func (w *Worker) values() []float32 { return w.params.Values.Host }
func (w *Worker) grads() []float32  { return w.params.Grads.Host }

// Params are the parameters that training updates in place. Run takes rank 0's from the host's memory, and they are there
// too when it has returned and in OnEpoch and OnState.
func (w *Worker) Params() *nn.Params { return w.params }

// Run trains until the last epoch or step. Errors of the ring come back as they are.
func (w *Worker) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := w.begin(ctx); err != nil {
		return err
	}
	for epoch := w.steps/w.sampler.Steps() + 1; epoch <= w.Epochs && !w.finished(); epoch++ {
		local, err := w.trainEpoch(ctx, epoch)
		if err != nil {
			return err
		}
		var partial *Partial
		if w.steps%w.sampler.Steps() != 0 { // MaxSteps ends the run in mid-epoch
			partial = &Partial{*local, w.norms}
		}
		if err := w.shareMoments(ctx); err != nil {
			return err
		}
		begin := time.Now()
		if err := w.checkParameters(ctx); err != nil {
			return err
		}
		w.recordSince(timeline.Check, begin)
		begin = time.Now()
		if err := w.evaluate(ctx, local); err != nil {
			return err
		}
		w.recordSince(timeline.Eval, begin)
		outcome, err := w.exchange(ctx, epoch, local)
		if err != nil {
			return err
		}
		if w.OnEpoch != nil {
			if err := w.OnEpoch(outcome); err != nil {
				return err
			}
		}
		begin = time.Now()
		if err := w.keepState(ctx, partial); err != nil {
			return err
		}
		w.recordSince(timeline.Checkpoint, begin)
	}
	return nil
}

func (w *Worker) finished() bool { return w.MaxSteps > 0 && w.steps >= w.MaxSteps }
