package train

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"ringloom/allreduce"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/shard"
)

// Options is what one rank brings to a run besides the Config that all share. The Worker uses Device and Ring and
// closes neither.
type Options struct {
	Config
	Device      nn.Device
	Ring        *allreduce.Group
	Rank, World int
	Train, Test *data.Dataset

	// OnStep is called after every step, on the training thread; it must not block. May be nil.
	OnStep func(Step)
	// OnEpoch is called on every rank after every epoch with the same outcome. May be nil.
	OnEpoch func(Epoch) error
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
	programs map[programKey]*nn.Program
	opt      Optimizer
	sampler  *shard.Sampler
	tracker  *bucketTracker
	pending  []*allreduce.Pending
	ready    func(param int) // startBuckets, bound once
	steps    int             // done in all epochs
}

// programKey tells apart the compiled shapes: the usual batch, the uneven last one, and those of evaluation.
type programKey struct {
	batch    int
	training bool
}

// NewWorker builds the model at the shapes that the run needs.
func NewWorker(o Options) (*Worker, error) {
	if err := o.Validate(o.World); err != nil {
		return nil, err
	}
	model, err := models.Lookup(o.Model)
	if err != nil {
		return nil, err
	}
	sampler, err := shard.New(shard.Config{
		Samples: o.Train.N, GlobalBatch: o.GlobalBatch, World: o.World, Rank: o.Rank, Seed: o.Seed, Shuffle: true,
	})
	if err != nil {
		return nil, err
	}
	params, err := model.NewParams(o.Device)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", o.Model, err)
	}
	params.Init(o.Seed)
	w := &Worker{
		Options: o, model: model, params: params, sampler: sampler, programs: map[programKey]*nn.Program{},
	}
	if w.opt, err = NewOptimizer(o.Optimizer, len(w.values()), o.LearningRate, o.Momentum); err != nil {
		return nil, err
	}
	spans := make([]span, len(params.List))
	for i, p := range params.List {
		spans[i] = span{p.Offset, p.Len}
	}
	plan := planBuckets(spans, o.BucketBytes)
	w.tracker = newBucketTracker(plan, len(spans))
	w.pending = make([]*allreduce.Pending, len(plan))
	w.ready = w.startBuckets
	return w, w.compileAll()
}

// compileAll builds the shapes of a whole run ahead, so that no step pays for it: the usual batch, the uneven last
// one, and evaluation's two.
func (w *Worker) compileAll() error {
	last := w.sampler.Steps() - 1
	lo, hi := shard.EvalRange(w.Test.N, w.World, w.Rank)
	for _, key := range []programKey{
		{len(w.sampler.Batch(1, 0, nil)), true}, {len(w.sampler.Batch(1, last, nil)), true},
		{min(evalBatch, hi-lo), false}, {(hi - lo) % evalBatch, false},
	} {
		if key.batch == 0 {
			continue
		}
		if _, err := w.program(key.batch, key.training); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) values() []float32 { return w.params.Values.Host }
func (w *Worker) grads() []float32  { return w.params.Grads.Host }

// Params are the parameters that training updates in place.
func (w *Worker) Params() *nn.Params { return w.params }

// Run trains until the last epoch or step. Errors of the ring come back as they are.
func (w *Worker) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := w.Ring.Broadcast(ctx, w.values(), 0); err != nil {
		return fmt.Errorf("broadcasting the initial parameters: %w", err)
	}
	for epoch := 1; epoch <= w.Epochs && !w.finished(); epoch++ {
		local, err := w.trainEpoch(ctx, epoch)
		if err != nil {
			return err
		}
		if err := w.checkParameters(ctx); err != nil {
			return err
		}
		if err := w.evaluate(ctx, local); err != nil {
			return err
		}
		outcome, err := w.exchange(ctx, epoch, local)
		if err != nil {
			return err
		}
		if w.OnEpoch != nil {
			if err := w.OnEpoch(outcome); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Worker) finished() bool { return w.MaxSteps > 0 && w.steps >= w.MaxSteps }

// program returns the model compiled for a batch of n, building it at first use.
func (w *Worker) program(n int, training bool) (*nn.Program, error) {
	key := programKey{n, training}
	if p := w.programs[key]; p != nil {
		return p, nil
	}
	p, err := nn.Compile(nn.ProgramConfig{
		Device: w.Device, Params: w.params, Batch: n, Side: w.model.InputSide, Build: w.model.Build, Training: training,
	})
	if err != nil {
		return nil, fmt.Errorf("building %s for a batch of %d: %w", w.Model, n, err)
	}
	w.programs[key] = p
	return p, nil
}

// trainEpoch is the training loop.
func (w *Worker) trainEpoch(ctx context.Context, epoch int) (*RankEpoch, error) {
	steps := w.sampler.Steps()
	if w.MaxSteps > 0 {
		steps = min(steps, w.MaxSteps-w.steps)
	}
	loader := w.newLoader(w.Train, steps, func(step int, dst []int32) []int32 { return w.sampler.Batch(epoch, step, dst) })
	defer loader.Close()

	e := &RankEpoch{Rank: w.Rank, StepLoss: make([]float64, steps)}
	whole, watch := startWatch(), startWatch()
	for step := range steps {
		batch, err := loader.Next(ctx)
		if err != nil {
			return nil, err
		}
		watch.lap(&e.Data)

		globalLen := w.sampler.GlobalLen(epoch, step)
		stats, err := w.forward(batch, globalLen, &e.Timing, &watch)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(stats.Loss) || math.IsInf(stats.Loss, 0) {
			return nil, fmt.Errorf("the loss of rank %d is %v at epoch %d, step %d: lower --lr (now %v) or look at the data",
				w.Rank, stats.Loss, epoch, step+1, w.LearningRate)
		}
		if err := w.backward(batch, &e.Timing, &watch); err != nil {
			return nil, err
		}
		if err := w.update(ctx, &e.Timing, &watch); err != nil {
			return nil, err
		}
		w.steps++

		e.Samples += batch.N
		e.Correct += stats.Correct
		e.StepLoss[step] = stats.Loss
		lossSum := stats.Loss * float64(globalLen)
		e.LossSum += lossSum
		if w.OnStep != nil {
			w.OnStep(Step{Epoch: epoch, Step: step + 1, Steps: steps, Loss: lossSum / float64(batch.N), Samples: e.Samples})
		}
		loader.Release(batch)
		if w.CheckEvery > 0 && w.steps%w.CheckEvery == 0 {
			if err := w.checkParameters(ctx); err != nil {
				return nil, err
			}
			watch.lap(&e.ExposedComm)
		}
	}
	whole.lap(&e.Total)
	return e, nil
}

// forward runs the batch and leaves the gradient of the loss, divided by the global batch, ready for backward.
func (w *Worker) forward(batch *data.Batch, globalLen int, t *Timing, watch *stopwatch) (nn.Stats, error) {
	if batch.N == 0 { // the last global batch may be smaller than the world
		return nn.Stats{}, nil
	}
	program, err := w.program(batch.N, true)
	if err != nil {
		return nn.Stats{}, err
	}
	program.Load(batch.Pixels, batch.Labels)
	program.SetLossScale(1 / float32(globalLen))
	stats, err := program.Forward()
	watch.lap(&t.Forward)
	return stats, err
}

// backward starts each bucket's all-reduce as soon as its gradients are final.
func (w *Worker) backward(batch *data.Batch, t *Timing, watch *stopwatch) error {
	defer watch.lap(&t.Backward)
	w.tracker.reset()
	if batch.N == 0 {
		clear(w.grads())
		for p := range w.params.List {
			w.ready(p)
		}
		return nil
	}
	program, err := w.program(batch.N, true)
	if err != nil {
		return err
	}
	return program.Backward(w.ready)
}

func (w *Worker) startBuckets(param int) {
	from, to := w.tracker.ready(param)
	for b := from; b < to; b++ {
		bk := w.tracker.plan[b]
		w.pending[b] = w.Ring.Start(w.grads()[bk.lo:bk.hi], b)
	}
}

// update waits for the sums bucket by bucket and applies each as it arrives.
func (w *Worker) update(ctx context.Context, t *Timing, watch *stopwatch) error {
	w.opt.Advance()
	for b, bk := range w.tracker.plan {
		err := w.pending[b].Wait(ctx)
		watch.lap(&t.ExposedComm)
		if err != nil {
			return err
		}
		w.opt.Update(w.values(), w.grads(), bk.lo, bk.hi)
		watch.lap(&t.Optimizer)
	}
	return nil
}
