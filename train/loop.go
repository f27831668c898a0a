package train

import (
	"context"
	"errors"
	"time"

	"ringloom/data"
	"ringloom/timeline"
)

// trainEpoch is the training loop, from the epoch's beginning or from where the run was resumed.
func (w *Worker) trainEpoch(ctx context.Context, epoch int) (*RankEpoch, error) {
	first, steps := w.steps%w.sampler.Steps(), w.sampler.Steps()
	if w.MaxSteps > 0 {
		steps = min(steps, first+w.MaxSteps-w.steps)
	}
	if err := w.ownMoments(); err != nil {
		return nil, err
	}
	loader := data.NewLoader(data.LoaderConfig{
		Dataset: w.Train, Side: w.loadSide(w.Train), Steps: steps - first, Augmentation: w.augmentation(epoch), LabelsOnly: w.blind,
		Batch: func(step int, dst []int32) []int32 { return w.sampler.Batch(epoch, first+step, dst) },
	})
	defer loader.Close()

	e := &RankEpoch{Rank: w.Rank}
	w.norms = norms{}
	if w.partial != nil {
		e, w.norms, w.partial = &w.partial.RankEpoch, w.partial.Norms, nil
	}
	e.StepLoss = append(make([]float64, 0, steps), e.StepLoss...)
	whole, watch := startWatch(), startWatch()
	for step := first; step < steps; step++ {
		begin := time.Now()
		batch, err := loader.Next(ctx)
		if err != nil {
			return nil, err
		}
		_, end := watch.lap(&e.Data)
		w.Recorder.Record(timeline.Data, w.steps, -1, 0, begin, end)

		at := place{epoch, step, w.sampler.GlobalLen(epoch, step)}
		e.LearningRate = w.schedule.rate(w.steps)
		stats, err := w.trainOn(ctx, at, batch, e, &watch)
		if err != nil {
			return nil, err
		}
		e.Samples += batch.N
		e.Correct += stats.Correct
		e.StepLoss = append(e.StepLoss, stats.Loss)
		lossSum := stats.Loss * float64(at.globalLen)
		e.LossSum += lossSum
		if w.OnStep != nil {
			w.OnStep(Step{Epoch: epoch, Step: step + 1, Steps: steps, Loss: lossSum / float64(batch.N), Samples: e.Samples})
		}
		loader.Release(batch)
		if w.CheckEvery > 0 && w.steps%w.CheckEvery == 0 {
			if err := w.settleBefore(&watch); err != nil {
				return nil, err
			}
			if err := w.checkParameters(ctx); err != nil {
				return nil, err
			}
			begin, end := watch.lap(&e.ExposedComm)
			w.Recorder.Record(timeline.Check, w.steps-1, -1, 0, begin, end)
		}
		if w.CheckpointEvery > 0 && w.steps%w.CheckpointEvery == 0 && step < steps-1 {
			if err := w.settle(); err != nil {
				return nil, err
			}
			whole.lap(&e.Total)
			begin := time.Now()
			if err := errors.Join(w.shareMoments(ctx), w.params.Pull()); err != nil {
				return nil, err
			}
			if err := w.checkFinite(); err != nil { // before the last good state is replaced
				return nil, err
			}
			if err := w.keepState(ctx, &Partial{*e, w.norms}); err != nil {
				return nil, err
			}
			w.recordSince(timeline.Checkpoint, begin)
			if err := w.ownMoments(); err != nil {
				return nil, err
			}
			whole, watch = startWatch(), startWatch()
		}
	}
	if err := w.settle(); err != nil {
		return nil, err
	}
	e.NormMean, e.NormMax = w.norms.mean(), w.norms.Max
	whole.lap(&e.Total)
	return e, nil
}

// augmentation is what happens to the training images of an epoch: the same to an image on whatever rank it is.
func (w *Worker) augmentation(epoch int) data.Augmentation {
	if !w.Augment {
		return data.Augmentation{}
	}
	return data.Augmentation{CropPadding: w.CropPadding, Flip: w.Flip, Seed: w.Seed, Epoch: epoch}
}
