package train

import (
	"context"
	"errors"
	"time"

	"ringloom/data"
	"ringloom/nn/exec"
	"ringloom/timeline"
)

// place is where in the run a step is.
type place struct {
	epoch, step int // epoch from 1, step within it from 0
	globalLen   int // samples of the step on all ranks
}

// trainEpoch is the training loop, from where the epoch stands to its end. It may stand there already.
func (w *Worker) trainEpoch(ctx context.Context, epoch int) error {
	first, steps := w.steps-(epoch-1)*w.sampler.Steps(), w.sampler.Steps()
	if w.MaxSteps > 0 {
		steps = min(steps, first+w.MaxSteps-w.steps)
	}
	w.ledger.open(epoch, w.Rank, w.WorldSize, steps)
	if first >= steps {
		return nil
	}
	if err := w.ownMoments(); err != nil {
		return err
	}
	sampler := w.sampler // the loader's from here on, until that is closed: shares may change before
	loader := w.images.loader(w.Train, steps-first, w.augmentation(epoch), func(step int, dst []int32) []int32 {
		return sampler.Batch(epoch, first+step, dst)
	})
	defer loader.Close()

	e := &w.ledger.own
	whole := startWatch()
	w.clock.restart(&e.Timing)
	err := w.trainSteps(ctx, epoch, first, steps, loader, &whole)
	if w.clock.err == nil {
		w.clock.drain()
	}
	e.NormMean, e.NormMax = w.ledger.norms.mean(), w.ledger.norms.Max
	whole.lap(&e.Total)
	return errors.Join(err, w.clock.err)
}

// trainSteps takes the steps of an epoch from first to the last.
func (w *Worker) trainSteps(ctx context.Context, epoch, first, steps int, loader *data.Loader, whole *stopwatch) error {
	e := &w.ledger.own
	for step := first; step < steps; step++ {
		began := time.Now()
		batch, err := loader.Next(ctx)
		if err != nil {
			return err
		}
		w.clock.data(w.steps, began)
		at := place{epoch, step, w.sampler.GlobalLen(epoch, step)}
		if err := w.trainOn(ctx, at, batch, steps); err != nil {
			return err
		}
		loader.Release(batch)
		if w.CheckEvery > 0 && w.steps%w.CheckEvery == 0 {
			w.clock.drain()
			if err := w.checkParameters(ctx); err != nil {
				return err
			}
			w.clock.check()
		}
		if w.CheckpointEvery > 0 && w.steps%w.CheckpointEvery == 0 && step < steps-1 && !w.finished() { // the end of an epoch keeps it anyway
			w.clock.drain()
			whole.lap(&e.Total)
			if err := w.checkpoint(ctx); err != nil {
				return err
			}
			*whole = startWatch()
			w.clock.restart(&e.Timing)
		}
		if step == steps-1 {
			continue
		}
		shared, err := w.shareOut()
		if err != nil {
			return err
		}
		if c := w.change(); c != nil {
			if len(c.Leaving) == w.WorldSize { // nobody is left to remember
				w.clock.drain()
				if err := w.checkpoint(ctx); err != nil {
					return err
				}
			}
			return c
		}
		if shared {
			return errShares
		}
	}
	return nil
}

// trainOn takes a step and adds it to the epoch, which has so many.
func (w *Worker) trainOn(ctx context.Context, at place, batch *data.Batch, steps int) error {
	sent := w.Ring.Stats().BytesSent
	w.ledger.own.LearningRate = w.schedule.Rate(w.steps)
	stats, err := w.step(ctx, at, batch)
	w.ledger.own.SentBytes += w.Ring.Stats().BytesSent - sent
	if err != nil {
		return err
	}
	if w.OnStep != nil {
		loss := stats.Loss * float64(at.globalLen) / float64(batch.N)
		w.OnStep(Step{
			Epoch: at.epoch, Step: at.step + 1, Steps: steps, Loss: loss, Samples: w.ledger.own.Samples, Batch: batch.N, Told: w.told(),
		})
	}
	return nil
}

// checkpoint keeps the run's state in mid-epoch.
func (w *Worker) checkpoint(ctx context.Context) error {
	begin := time.Now()
	if err := errors.Join(w.clock.err, w.shareMoments(ctx), w.params.Pull()); err != nil {
		return err
	}
	if err := w.checkFinite(); err != nil { // before the last good state is replaced
		return err
	}
	if err := w.keepState(ctx, w.ledger.partial()); err != nil {
		return err
	}
	w.clock.since(timeline.Checkpoint, begin)
	return w.ownMoments()
}

// augmentation is what happens to the training images of an epoch: the same to an image on whatever rank it is.
func (w *Worker) augmentation(epoch int) data.Augmentation {
	if !w.Augment {
		return data.Augmentation{}
	}
	return data.Augmentation{CropPadding: w.CropPadding, Flip: w.Flip, Seed: w.Seed, Epoch: epoch}
}

// load compiles the program of a micro-batch, if it is not yet, and brings its samples there.
func (w *Worker) load(ctx context.Context, at place, batch *data.Batch, mb microBatch) (*exec.Program, error) {
	program, err := w.program(mb.key())
	if err != nil {
		return nil, err
	}
	if mb.empty() {
		err = w.images.loadBlank(program)
	} else {
		err = w.images.load(program, batch, mb.lo, mb.hi)
	}
	program.SetLossScale(1 / float32(at.globalLen))
	program.SetDropoutKey(dropoutKey(w.Seed, w.Rank, w.steps, mb.number))
	w.sync.begin(ctx, w.steps, mb)
	return program, err
}
