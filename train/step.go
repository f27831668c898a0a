package train

import (
	"context"
	"math"

	"ringloom/data"
	"ringloom/nn"
	"ringloom/timeline"
)

// place is where in the run a step is.
type place struct {
	epoch, step int // epoch from 1, step within it from 0
	globalLen   int // samples of the step on all ranks
}

// trainOn takes one step: this rank's part of the global batch, and the ring's sum over all ranks. Loss is this rank's
// share of the mean over the global batch.
func (w *Worker) trainOn(ctx context.Context, at place, batch *data.Batch, e *RankEpoch, watch *stopwatch) (nn.Stats, error) {
	sent := w.Ring.Stats().BytesSent
	stats, err := w.gradients(ctx, at, batch, &e.Timing, watch)
	if err != nil {
		return nn.Stats{}, err
	}
	if err := w.update(ctx, at, &e.Timing, watch); err != nil {
		return nn.Stats{}, err
	}
	w.steps++
	e.SentBytes += w.Ring.Stats().BytesSent - sent
	return stats, nil
}

// gradients leaves the sum over this rank's micro-batches in the parameters' gradient memory, and starts each bucket's
// all-reduce as soon as it is final. Losses are divided by the global batch.
func (w *Worker) gradients(ctx context.Context, at place, batch *data.Batch, t *Timing, watch *stopwatch) (total nn.Stats, err error) {
	w.tracker.reset()
	w.startErr, w.kept, w.idle = nil, false, false
	micros := w.microBatches(at.globalLen, batch.N)
	for m := range micros {
		mb := w.microBatch(at.globalLen, batch.N, m)
		program, err := w.program(mb.key())
		if err != nil {
			return total, err
		}
		if w.idle = mb.lo == mb.hi; w.idle {
			pixels, labels := program.Input()
			clear(pixels)
			clear(labels)
		} else {
			load(program, batch, mb.lo, mb.hi)
		}
		program.SetLossScale(1 / float32(at.globalLen))
		program.SetDropoutKey(dropoutKey(w.Seed, w.Rank, w.steps, m))
		if w.sync != nil {
			w.sync.begin(ctx, w.steps, mb)
		}
		stats, err := program.Forward()
		w.lap(watch, &t.Forward, timeline.Forward, -1)
		w.sync.move(&t.Forward, &t.ExposedComm)
		if err != nil {
			return total, err
		}
		if !w.idle {
			total.Loss += stats.Loss
			total.Correct += stats.Correct
			w.verdicts.add(m, stats.Loss)
		}
		if m < micros-1 {
			err = program.Backward(nil)
			if err == nil && !w.idle {
				err = w.accumulated.keep(m, w.params.Grads)
				w.kept = true
			}
		} else {
			w.verdicts.start(w.Rank, len(w.tracker.plan))
			err = program.Backward(w.ready)
		}
		w.lap(watch, &t.Backward, timeline.Backward, -1)
		w.sync.move(&t.Backward, &t.ExposedComm)
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
	return total, w.startErr
}

// load puts the samples [lo, hi) of a batch into a program's input.
func load(program *nn.Program, batch *data.Batch, lo, hi int) {
	pixels, labels := program.Input()
	batch.Fill(pixels, labels, lo, hi)
}

// startBuckets is called when a parameter's gradient is final.
func (w *Worker) startBuckets(param int) {
	from, to := w.tracker.ready(param)
	for b := from; b < to; b++ {
		bk := w.tracker.plan[b]
		if w.idle {
			clear(w.grads()[bk.lo:bk.hi])
		}
		if w.kept && w.startErr == nil {
			w.startErr = w.accumulated.complete(b)
		}
		w.pending[b] = w.startSum(b)
	}
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
	w.opt.begin(w.steps, w.schedule.rate(w.steps), 1)
	squares := 0.0
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
		if w.clip == nil {
			err = w.apply(b)
		} else {
			var sum float64
			sum, err = w.clip.sumOfSquares(b)
			squares += sum
		}
		w.lap(watch, &t.Optimizer, timeline.Optimizer, b)
		if err != nil {
			return err
		}
	}
	if w.clip == nil {
		return w.gathered(ctx, t, watch)
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
	w.opt.begin(w.steps, w.schedule.rate(w.steps), w.clip.scale(norm))
	for b := range w.tracker.plan {
		if err := w.apply(b); err != nil {
			return err
		}
	}
	w.lap(watch, &t.Optimizer, timeline.Optimizer, -1)
	return w.gathered(ctx, t, watch)
}
