package train

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/nn/op"
	"ringloom/timeline"
)

// ErrorFeedbacks lists the values that Config.ErrorFeedback takes.
func ErrorFeedbacks() []string { return []string{"auto", "on", "off"} }

// wireFormat is how the sums of gradients travel. Config was validated.
func (c Config) wireFormat() codec.Format {
	f, _ := codec.Parse(c.Wire)
	return f
}

// feedsBack says whether what the wire format loses of a gradient is added to the next one. Int8
// rounds by more than the 16-bit formats, whose rounding is smaller than a gradient's own noise.
func (c Config) feedsBack() bool {
	f := c.wireFormat()
	return f.Lossy() && (c.ErrorFeedback == "on" || c.ErrorFeedback == "auto" && f == codec.Int8)
}

// remembers says whether ranks keep residuals: what each has of its gradients but has not yet added to a sum.
func (c Config) remembers() bool { return c.feedsBack() || c.PowerSGD > 0 }

func (c Config) validateWire() error {
	if _, err := codec.Parse(c.Wire); err != nil {
		return fmt.Errorf("--wire %w", err)
	}
	if !slices.Contains(ErrorFeedbacks(), c.ErrorFeedback) {
		return fmt.Errorf("--error-feedback %q: choose one of %s", c.ErrorFeedback, strings.Join(ErrorFeedbacks(), ", "))
	}
	if c.ErrorFeedback == "on" && !c.wireFormat().Lossy() {
		return fmt.Errorf("--error-feedback on has no effect with --wire %s, which loses nothing: leave it out, or choose another format", c.Wire)
	}
	return nil
}

// startSum begins a bucket's way to the other ranks: a sum for all of them, or for the owner of each part.
func (w *Worker) startSum(b int) *allreduce.Pending {
	if f := w.low.matrix(b, w.steps); f != nil {
		return w.startFactors(f)
	}
	bk := w.tracker.plan[b]
	grads, sum := w.grads()[bk.lo:bk.hi], allreduce.Sum{Bucket: b, Format: w.wire}
	if w.wireFeedback {
		sum.Residual = w.residual.Host[bk.lo:bk.hi]
	}
	if w.ShardOptimizer {
		return w.Ring.StartReduceScatter(grads, sum)
	}
	return w.Ring.StartAllReduce(grads, sum)
}

// apply updates what this rank owns of a bucket, and begins to exchange it for the rest where that is not all.
func (w *Worker) apply(b int) error {
	if err := w.opt.update(b); err != nil {
		return err
	}
	if !w.ShardOptimizer {
		return nil
	}
	for _, r := range w.opt.owned.regions[b] {
		if err := op.Pull(w.Device, w.params.Values.Slice(r.lo, r.hi-r.lo)); err != nil {
			return err
		}
	}
	bk := w.tracker.plan[b]
	w.gathers[b] = w.Ring.StartAllGather(w.values()[bk.lo:bk.hi], b)
	return nil
}

// gathered waits until the parameters that other ranks have updated are here.
func (w *Worker) gathered(ctx context.Context, t *Timing, watch *stopwatch) error {
	if !w.ShardOptimizer {
		return nil
	}
	for b, p := range w.gathers {
		err := p.Wait(ctx)
		w.lap(watch, &t.ExposedComm, timeline.Wait, b)
		if err != nil {
			return err
		}
		bk := w.tracker.plan[b]
		w.recordComm(timeline.Return, b, 4*int64(bk.hi-bk.lo), p)
		if err := op.Push(w.Device, w.params.Values.Slice(bk.lo, bk.hi-bk.lo)); err != nil {
			return err
		}
	}
	return nil
}
