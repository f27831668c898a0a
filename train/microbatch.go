package train

import (
	"ringloom/internal/split"
)

// microBatch is what a rank takes at once of its part of a step.
type microBatch struct {
	number int // from 0
	lo, hi int // of the rank's samples; empty where only other ranks have some
	shared int // samples of all ranks that share batch norm's moments, 0 where they do not
}

func (mb microBatch) empty() bool { return mb.lo == mb.hi }

// microBatches is the number of micro-batches in which a rank takes its n samples of a step. None is empty, except where
// the ranks share batch norm's moments: then all take as many as the one with most, for all must meet as often.
func (w *Worker) microBatches(globalLen, n int) int {
	if w.sync != nil {
		for rank := range w.WorldSize {
			lo, hi := w.part(globalLen, rank)
			n = max(n, hi-lo)
		}
	}
	return min(w.Accumulate, n)
}

// part is a rank's part of a step's samples.
func (w *Worker) part(globalLen, rank int) (lo, hi int) {
	return w.shardConfig(w.WorldSize, rank).Part(globalLen, rank)
}

// microBatch is number m of a rank with n samples.
func (w *Worker) microBatch(globalLen, n, m int) microBatch {
	k := w.microBatches(globalLen, n)
	mb := microBatch{number: m}
	mb.lo, mb.hi = split.Part(n, k, m)
	if w.sync == nil {
		return mb
	}
	for rank := range w.WorldSize {
		lo, hi := w.part(globalLen, rank)
		lo, hi = split.Part(hi-lo, k, m)
		mb.shared += hi - lo
	}
	return mb
}

// key is that of the program for the micro-batch. A rank without a sample runs the smallest one, so that it takes part in
// every exchange of moments where the others do; nothing of what it computes is used.
func (mb microBatch) key() programKey {
	return programKey{batch: max(1, mb.hi-mb.lo), shared: mb.shared, training: true}
}
