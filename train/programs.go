package train

import (
	"fmt"

	"ringloom/nn/exec"
	"ringloom/shard"
)

// programKey tells apart the compiled shapes: the usual batch, the uneven last one, and those of evaluation.
type programKey struct {
	batch    int
	shared   int // samples of all ranks that share batch norm's moments, 0 where they do not
	training bool
}

// compileAll builds the shapes of a whole run ahead, so that no step pays for it: the micro-batches of the usual batch
// and of the uneven last one, and evaluation's two.
func (w *Worker) compileAll() error {
	lo, hi := shard.EvalRange(w.Test.N, w.WorldSize, w.Rank)
	keys := []programKey{{batch: min(evalBatch, hi-lo)}, {batch: (hi - lo) % evalBatch}}
	for _, step := range []int{0, w.sampler.Steps() - 1} {
		global, n := w.sampler.GlobalLen(1, step), len(w.sampler.Batch(1, step, nil))
		for m := range w.microBatches(global, n) {
			keys = append(keys, w.microBatch(global, n, m).key())
		}
	}
	for _, key := range keys {
		if key.batch == 0 {
			continue
		}
		if _, err := w.program(key); err != nil {
			return err
		}
	}
	return nil
}

// program returns the model compiled for a shape, building it at first use.
func (w *Worker) program(key programKey) (*exec.Program, error) {
	if p := w.programs[key]; p != nil {
		return p, nil
	}
	c := exec.Config{
		Device: w.Device, Params: w.params, Batch: key.batch, Side: w.model.InputSide, Build: w.model.Build, Training: key.training,
		Smoothing: float32(w.LabelSmoothing),
	}
	if key.shared > 0 {
		c.SyncBatchNorm, c.SyncBatch = w.sync.average, key.shared
	}
	if len(w.plans) > 0 && key.training {
		order, err := c.GradientOrder()
		if err != nil {
			return nil, fmt.Errorf("finding out when gradients are final: %w", err)
		}
		for _, plan := range w.plans {
			c.Stops = append(c.Stops, plan.Cuts(order)...)
		}
	}
	p, err := exec.Compile(c)
	if err != nil {
		return nil, fmt.Errorf("building %s for a batch of %d: %w", w.Model, key.batch, err)
	}
	w.programs[key] = p
	return p, nil
}
