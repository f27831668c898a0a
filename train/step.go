package train

import (
	"context"
	"math"

	"ringloom/data"
	"ringloom/nn/exec"
	"ringloom/timeline"
)

// place is where in the run a step is.
type place struct {
	epoch, step int // epoch from 1, step within it from 0
	globalLen   int // samples of the step on all ranks
}

// trainOn takes one step: this rank's part of the global batch, and the ring's sum over all ranks. Loss is this rank's
// share of the mean over the global batch.
func (w *Worker) trainOn(ctx context.Context, at place, batch *data.Batch, e *RankEpoch, watch *stopwatch) (exec.Stats, error) {
	sent := w.Ring.Stats().BytesSent
	stats, err := w.gradients(ctx, at, batch, &e.Timing, watch)
	if err != nil {
		return exec.Stats{}, err
	}
	if err := w.update(ctx, at, &e.Timing, watch); err != nil {
		return exec.Stats{}, err
	}
	if w.late != nil {
		return exec.Stats{}, w.late
	}
	w.steps++
	e.SentBytes += w.Ring.Stats().BytesSent - sent
	return stats, nil
}

// gradients leaves the sum over this rank's micro-batches in the parameters' gradient memory, and starts each bucket's
// all-reduce as soon as it is final. Losses are divided by the global batch.
//
// A host that is ahead of an accelerator queues both passes, and each bucket's way to the host behind its last gradient,
// before it waits for the loss; then it starts the sums one by one as the buckets arrive. The collectives have the same order
// as on a device that is not: the verdict on the losses, then the buckets.
func (w *Worker) gradients(ctx context.Context, at place, batch *data.Batch, t *Timing, watch *stopwatch) (total exec.Stats, err error) {
	w.tracker.reset()
	w.late, w.kept, w.idle = nil, false, false
	w.beginLaps()
	micros := w.microBatches(at.globalLen, batch.N)
	for m := range micros {
		mb := w.microBatch(at.globalLen, batch.N, m)
		program, err := w.program(mb.key())
		if err != nil {
			return total, err
		}
		if w.idle = mb.lo == mb.hi; w.idle {
			err = w.loadBlank(program)
		} else {
			err = w.load(program, batch, mb.lo, mb.hi)
		}
		if err != nil {
			return total, err
		}
		program.SetLossScale(1 / float32(at.globalLen))
		program.SetDropoutKey(dropoutKey(w.Seed, w.Rank, w.steps, m))
		if w.sync != nil {
			w.sync.begin(ctx, w.steps, mb)
		}
		err = program.Start()
		if err == nil && !w.ahead {
			err = w.judge(program, m, m == micros-1, &total)
		}
		w.lap(watch, &t.Forward, timeline.Forward, -1)
		w.sync.move(&t.Forward, &t.ExposedComm)
		if err != nil {
			return total, err
		}
		if m < micros-1 {
			err = program.Backward(nil)
			if err == nil && !w.idle {
				err = w.accumulated.keep(m)
				w.kept = true
			}
		} else {
			err = program.Backward(w.ready)
		}
		w.lap(watch, &t.Backward, timeline.Backward, -1)
		w.sync.move(&t.Backward, &t.ExposedComm)
		if err == nil && w.ahead {
			err = w.judge(program, m, m == micros-1, &total)
		}
		if err != nil {
			return total, err
		}
	}
	if micros == 0 { // the last global batch may be smaller than the world
		w.verdicts.start(w.Rank, len(w.tracker.plan))
		w.idle = true
		for p := range w.params.List {
			w.ready(p)
		}
	}
	if w.ahead {
		w.sendAll()
	}
	return total, w.late
}

// judge takes the outcome of a micro-batch's forward pass and, behind the last, tells the other ranks whether this rank's
// losses are finite.
func (w *Worker) judge(program *exec.Program, micro int, last bool, total *exec.Stats) error {
	stats, err := program.Stats()
	if err != nil {
		return err
	}
	if w.ahead {
		w.readForward()
	}
	if !w.idle {
		total.Loss += stats.Loss
		total.Correct += stats.Correct
		w.verdicts.add(micro, stats.Loss)
	}
	if last {
		w.verdicts.start(w.Rank, len(w.tracker.plan))
	}
	return nil
}

// load puts the samples [lo, hi) of a batch into a program's input.
func (w *Worker) load(program *exec.Program, batch *data.Batch, lo, hi int) error {
	if !program.TakesImages() {
		pixels, labels := program.Input()
		batch.Fill(pixels, labels, lo, hi)
		return nil
	}
	size := w.resampling.From * w.resampling.From
	return program.LoadImages(batch.Pixels[lo*size:hi*size], &w.resampling, batch.Labels[lo:hi])
}

// loadBlank makes a program's input images of nothing.
func (w *Worker) loadBlank(program *exec.Program) error {
	if !program.TakesImages() {
		pixels, labels := program.Input()
		clear(pixels)
		clear(labels)
		return nil
	}
	n := program.Batch()
	return program.LoadImages(make([]byte, n*w.resampling.From*w.resampling.From), &w.resampling, make([]float32, n))
}

// startBuckets is called when a parameter's gradient is final.
func (w *Worker) startBuckets(param int) {
	from, to := w.tracker.ready(param)
	for b := from; b < to; b++ {
		w.note(w.complete(b))
		if !w.ahead && w.late == nil {
			w.note(w.send(b))
		}
	}
}

// complete leaves a bucket's sum over all micro-batches in the gradient memory, and lets it follow to the host.
func (w *Worker) complete(b int) error {
	if w.idle {
		if err := w.blank(w.tracker.plan[b]); err != nil {
			return err
		}
	}
	if w.kept {
		if err := w.accumulated.complete(b); err != nil {
			return err
		}
	}
	return w.copies.start(b)
}

// sendAll sends the buckets as they arrive, in their order.
func (w *Worker) sendAll() {
	for b := 0; b < len(w.tracker.plan) && w.late == nil; b++ {
		w.note(w.send(b))
	}
}

// send begins the way of a complete bucket to the other ranks.
func (w *Worker) send(b int) error {
	if err := w.copies.wait(b); err != nil {
		return err
	}
	w.pending[b] = w.startSum(b)
	return nil
}

// update waits for the sums bucket by bucket and applies each as it arrives, or all at the end where the norm of the
// whole is needed first. It applies none where a rank's loss, or the norm, is not finite.
func (w *Worker) update(ctx context.Context, at place, t *Timing, watch *stopwatch) error {
	rank, micro, value, err := w.verdicts.wait(ctx)
	w.lap(watch, &t.ExposedComm, timeline.Wait, -1)
	if err != nil {
		return err
	}
	w.recordComm(timeline.Verdict, -1, 0, w.verdicts.pending)
	if rank >= 0 {
		return w.lossError(ctx, at, rank, micro, value)
	}
	if err := w.turnFactors(ctx, t, watch); err != nil {
		return err
	}
	if err := w.opt.begin(w.steps, w.schedule.rate(w.steps), 1); err != nil {
		return err
	}
	for b := range w.tracker.plan {
		err := w.pending[b].Wait(ctx)
		w.lap(watch, &t.ExposedComm, timeline.Wait, b)
		if err != nil {
			return err
		}
		f := w.low.matrix(b, w.steps)
		w.recordSum(b, f)
		if f != nil {
			f.finish()
		}
		if err = w.copies.back(b); err == nil {
			if w.clip == nil {
				err = w.apply(b)
			} else {
				err = w.clip.square(b)
			}
		}
		w.lap(watch, &t.Optimizer, timeline.Optimizer, b)
		if err != nil {
			return err
		}
	}
	if w.clip == nil {
		w.lapUpdates(watch, t)
		return w.gathered(ctx, t, watch)
	}
	squares, err := w.clip.sumOfSquares()
	if err != nil {
		return err
	}
	if w.normExchange != nil {
		squares, err = w.normExchange.total(ctx, w.Rank, squares)
		w.lap(watch, &t.ExposedComm, timeline.Wait, -1)
		if err != nil {
			return err
		}
	}
	norm := math.Sqrt(squares)
	if !finite(norm) {
		w.lap(watch, &t.Optimizer, timeline.Optimizer, -1)
		return w.normError(ctx, at, norm)
	}
	w.norms.add(norm)
	if err := w.opt.begin(w.steps, w.schedule.rate(w.steps), w.clip.scale(norm)); err != nil {
		return err
	}
	for b := range w.tracker.plan {
		if err := w.apply(b); err != nil {
			return err
		}
	}
	w.lap(watch, &t.Optimizer, timeline.Optimizer, -1)
	return w.gathered(ctx, t, watch)
}
