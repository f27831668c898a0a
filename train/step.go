package train

import (
	"context"
	"errors"

	"ringloom/data"
	"ringloom/nn/exec"
	"ringloom/timeline"
	"ringloom/train/gradsync"
)

// step takes one step of the run on this rank's part of the global batch. Nothing of it is visible before the commit: a
// step that fails leaves parameters and all that the rank remembers as they were; one that fails because its view of the
// cluster has ended is held until it is known whether another rank has committed it. The loss is this rank's share of
// the mean over the global batch.
func (w *Worker) step(ctx context.Context, at place, batch *data.Batch) (exec.Stats, error) {
	stats, err := w.passes(ctx, at, batch) // load, forward, backward; buckets leave meanwhile
	if err == nil {
		err = w.grads.Wait(ctx) // the sums of all ranks
	}
	var clip clipping
	if err == nil {
		clip, err = w.clip(ctx)
	}
	if err != nil && w.holds(err) {
		w.held = &heldStep{at: at, samples: batch.N, stats: stats}
		return exec.Stats{}, err
	}
	if err != nil {
		return exec.Stats{}, w.abort(w.stepError(ctx, at, err))
	}
	if err = w.grads.Commit(ctx, w.schedule.Rate(w.steps), clip.scale); err != nil && w.holds(err) {
		w.held = &heldStep{at: at, samples: batch.N, stats: stats}
		return exec.Stats{}, err
	}
	if err != nil && !w.Elastic {
		return exec.Stats{}, err
	}
	if w.ClipNorm > 0 {
		w.ledger.norms.add(clip.norm)
	}
	w.ledger.add(at, batch.N, stats)
	if w.Elastic {
		w.reports = append(w.reports[:0], w.grads.Reports()...)
		w.ledger.hear(at, w.reports)
	}
	w.steps++
	return stats, errors.Join(err, w.clock.err)
}

// passes leaves the sum over this rank's micro-batches in the gradient memory and sends each bucket as soon as it is
// final. Losses are divided by the global batch.
//
// A host that is ahead of an accelerator queues both passes, and each bucket's copy to the host behind its last gradient,
// before it waits for the loss. The collectives have the same order as on a device that is not: the losses' check first.
func (w *Worker) passes(ctx context.Context, at place, batch *data.Batch) (total exec.Stats, err error) {
	w.clock.beginStep(w.steps)
	w.grads.Begin(w.steps)
	if err := w.moments.remember(); err != nil {
		return total, err
	}
	micros := w.microBatches(at.globalLen, batch.N)
	if micros == 0 { // the last global batch may be smaller than the world
		w.grads.Skip(gradsync.Report{Wants: w.wants()})
		return total, w.grads.Flush()
	}
	report := gradsync.Report{Samples: batch.N}
	for m := range micros {
		mb, last := w.microBatch(at.globalLen, batch.N, m), m == micros-1
		program, err := w.load(ctx, at, batch, mb)
		if err == nil {
			err = program.Start()
		}
		if err == nil && !w.ahead {
			err = w.outcome(program, mb, last, &total, &report)
		}
		w.charge(timeline.Forward)
		if err == nil {
			err = w.backward(program, mb, last)
		}
		w.charge(timeline.Backward)
		if err == nil && w.ahead {
			err = w.outcome(program, mb, last, &total, &report)
		}
		if err != nil {
			return total, err
		}
	}
	return total, w.grads.Flush()
}

// outcome adds up what a micro-batch's forward pass found, for which it waits, and behind the last tells the other ranks.
func (w *Worker) outcome(program *exec.Program, mb microBatch, last bool, total *exec.Stats, report *gradsync.Report) error {
	stats, err := program.Stats()
	if err != nil {
		return err
	}
	w.clock.readForward()
	if !mb.empty() {
		total.Loss, total.Correct = total.Loss+stats.Loss, total.Correct+stats.Correct
		report.Losses.Add(mb.number, stats.Loss)
	}
	if last {
		report.Loss, report.Correct, report.Wants = total.Loss, total.Correct, w.wants()
		w.grads.Announce(*report)
	}
	return nil
}

// backward computes the gradients of a micro-batch. Behind the last one's they leave.
func (w *Worker) backward(program *exec.Program, mb microBatch, last bool) error {
	if !last {
		if err := program.Backward(nil); err != nil || mb.empty() {
			return err
		}
		return w.grads.Accumulate()
	}
	if mb.empty() {
		w.grads.Blank()
	}
	return program.Backward(w.ready)
}

// abort drops the step under way because of an error: parameters, what the optimizer and the rank remember, and batch
// norm's running moments are those of the step before.
func (w *Worker) abort(because error) error {
	w.grads.Abort()
	if err := w.moments.restore(); err != nil {
		return errors.Join(because, err)
	}
	return because
}
