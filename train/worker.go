package train

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"ringloom/allreduce"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/shard"
	"ringloom/timeline"
	"ringloom/train/gradsync"
	"ringloom/train/optim"
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
	// Elastic says that views of the cluster follow each other: a run whose view has ended goes on in the next one (Rejoin). On all ranks.
	Elastic bool
	// Stragglers says what becomes of a rank of an elastic run that is slower than the others: one of StragglerPolicies; empty means off. On
	// all ranks.
	Stragglers string
	// Generation is the number of the view in which the run begins.
	Generation uint64
	// Wants is asked in every step what this rank wishes to happen behind it; then Run ends with a *Change on every rank. It is called on the
	// training thread and must not block. May be nil.
	Wants func() gradsync.Wish
	// Recorder gets what this rank does and when; EventsPerStep says how much. nil records nothing. On all ranks or on
	// some: nothing depends on it.
	Recorder *timeline.Recorder
}

// Step is this rank's progress.
type Step struct {
	Epoch, Step, Steps int     // epoch from 1, step from 1
	Loss               float64 // this rank's mean loss per sample in this step; NaN if it had no sample
	Samples            int     // of this rank in this epoch so far
	Batch              int     // samples of this rank in this step
	// Told is how many samples each rank has told to have in this step. nil in a run that is not elastic.
	Told []int
}

// Worker trains one rank.
type Worker struct {
	Options
	model    models.Spec
	params   *nn.Params
	programs map[programKey]*exec.Program
	images   *images
	sampler  *shard.Sampler
	schedule optim.Schedule
	steps    int // done in all epochs

	ahead bool            // the host queues the backward pass before it knows the loss
	plans []gradsync.Plan // whose buckets an accelerator's backward pass hands over in its middle
	grads *gradsync.Sync
	ready func(param int) // grads.Ready, bound once

	sync    *momentSync // nil without synchronised batch norm
	moments *runningMoments
	clock   *clock

	resume *State // what Resume was given

	founder    bool // it was there when the run began
	begun      bool // it has the run's state
	baseWorld  int  // ranks of the run's first view, which --scale-lr counts
	ended      int  // the step at which an epoch's end, or MaxSteps, was last dealt with: compared, evaluated, told and kept
	heard      int  // the step at which OnEpoch was last told
	ledger     ledger
	held       *heldStep
	reports    []gradsync.Report // what all ranks have told of the last step, in an elastic run
	stragglers stragglers
	computed   time.Duration                   // by the passes of the last step
	pretend    func(samples int) time.Duration // takes the place of that in tests, nil elsewhere
	seat       seat
	prepared   preparation
}

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
	if err := w.divide(w.gradients(w.Rank, w.WorldSize)); err != nil {
		return nil, err
	}
	return w, w.compileAll()
}

// newPasses makes what forward and backward passes need, without what becomes of the gradients: divide adds that.
func newPasses(o Options, model models.Spec) (_ *Worker, err error) {
	if err := o.ValidateSamples(o.Train.N); err != nil {
		return nil, err
	}
	w := &Worker{
		founder:    o.Generation <= 1,
		stragglers: newStragglers(o.Stragglers, o.WorldSize),
		Options:    o, model: model, programs: map[programKey]*exec.Program{},
		images: newImages(o.Device, o.Train.Side, model.InputSide),
	}
	if w.sampler, err = shard.New(w.shardConfig(o.WorldSize, o.Rank)); err != nil {
		return nil, err
	}
	w.schedules(o.WorldSize)
	if w.params, err = model.NewParams(o.Device); err != nil {
		return nil, fmt.Errorf("building %s: %w", o.Model, err)
	}
	if err := o.ValidateModel(w.params.List); err != nil {
		return nil, err
	}
	if w.moments, err = newRunningMoments(o.Device, w.params.StateValues); err != nil {
		return nil, err
	}
	gradients := w.gradients(o.Rank, o.WorldSize)
	w.clock = newClock(o.Device, !gradients.Travels())
	if o.SyncBatchNorm && (o.WorldSize > 1 || o.Elastic) {
		w.sync = &momentSync{ring: o.Ring}
	}
	if w.images.accelerated {
		w.ahead = w.sync == nil // where ranks meet in the middle of the passes, the host cannot be ahead
		if gradients.Travels() {
			w.plans = []gradsync.Plan{gradsync.NewPlan(gradients, w.params.List)}
		}
	}
	return w, w.params.Init(o.Seed)
}

// gradients is what becomes of the gradients of a rank.
func (w *Worker) gradients(rank, world int) gradsync.Config {
	c := w.Config.gradients(rank, world)
	c.Grows, c.Mirror = w.Elastic, w.Elastic
	return c
}

// schedules makes the learning rate's schedule that of a run which so many ranks have begun.
func (w *Worker) schedules(world int) {
	w.baseWorld = world
	w.schedule = optim.NewSchedule(w.rates(world, w.sampler.Steps()))
}

// divide makes what takes the gradients to the other ranks.
func (w *Worker) divide(c gradsync.Config) (err error) {
	w.grads, err = gradsync.New(c, gradsync.Parts{Device: w.Device, Ring: w.Ring, Params: w.params, Clock: w.clock})
	if err != nil {
		return err
	}
	w.ready = w.grads.Ready
	if w.sync != nil {
		w.sync.bucket = w.grads.FreeBucket()
	}
	return nil
}

func (w *Worker) shardConfig(world, rank int) shard.Config {
	c := shard.Config{Samples: w.Train.N, GlobalBatch: w.GlobalBatch, WorldSize: world, Rank: rank, Seed: w.Seed, Shuffle: true}
	if world == w.WorldSize {
		c.Shares = slices.Clone(w.stragglers.shares) // a loader may still be at work with those before
	}
	return c
}

// values are the host's memory of the parameters, on an accelerator their mirror.
func (w *Worker) values() []float32 { return w.params.Values.Host }

// Params are the parameters that training updates in place. Run takes rank 0's from the host's memory, and they are there
// too when it has returned and in OnEpoch and OnState.
func (w *Worker) Params() *nn.Params { return w.params }

// Run trains until the last epoch or step. Errors of the ring come back as they are.
func (w *Worker) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	w.clock.recordTo(w.Recorder) // it may have been set since the last Run
	if w.sync != nil {
		w.sync.recorder = w.Recorder
	}
	if !w.begun {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	for w.due() {
		if err := w.trainEpoch(ctx, w.epoch()); errors.Is(err, errShares) {
			continue
		} else if err != nil {
			return err
		}
		if err := w.endEpoch(ctx, w.epoch()); err != nil {
			return err
		}
		if c := w.change(); c != nil && w.due() {
			return c
		}
	}
	return nil
}

// epoch is the one to train or to end, from 1.
func (w *Worker) epoch() int { return w.ended/w.sampler.Steps() + 1 }

// due says whether there is an epoch to train, or to end.
func (w *Worker) due() bool { return w.epoch() <= w.Epochs && !(w.finished() && w.ended == w.steps) }

// endEpoch compares, evaluates, tells and keeps what an epoch, or the part of it that MaxSteps leaves, has brought. Where its view ends
// meanwhile it is done again in the next, and tells nothing twice.
func (w *Worker) endEpoch(ctx context.Context, epoch int) error {
	if err := w.shareMoments(ctx); err != nil {
		return err
	}
	begin := time.Now()
	if err := w.checkParameters(ctx); err != nil {
		return err
	}
	w.clock.since(timeline.Check, begin)
	begin = time.Now()
	local := &w.ledger.own
	if err := w.evaluate(ctx, local); err != nil {
		return err
	}
	w.clock.since(timeline.Eval, begin)
	outcome, err := w.exchange(ctx, epoch, local)
	if err != nil {
		return err
	}
	if w.OnEpoch != nil && w.steps > w.heard {
		if err := w.OnEpoch(outcome); err != nil {
			return err
		}
	}
	w.heard = w.steps
	begin = time.Now()
	var partial *Partial
	if w.steps%w.sampler.Steps() != 0 { // MaxSteps ends the run in mid-epoch
		partial = w.ledger.partial()
	}
	if err := w.keepState(ctx, partial); err != nil {
		return err
	}
	w.clock.since(timeline.Checkpoint, begin)
	w.ended = w.steps
	if partial == nil {
		w.ledger.close()
	}
	return nil
}

func (w *Worker) finished() bool { return w.MaxSteps > 0 && w.steps >= w.MaxSteps }
