//go:build onednn && cgo

package onednn

// #include "peak.h"
import "C"

import (
	"fmt"
	"time"
)

// peakIterations make a round of a few milliseconds: long against a barrier, short against the loss of a core.
const peakIterations = 1_000_000

// PeakFLOPS measures the float32 multiply-adds of that many threads together, in FLOP/s: the best of rounds over the
// given time, at least one. Call it on the thread that the device is bound to, whose OpenMP team it then shares.
func PeakFLOPS(threads int, duration time.Duration) (float64, error) {
	if threads < 1 || threads > maxThreads {
		return 0, fmt.Errorf("oneDNN device: peak of %d threads asked for, want 1 to %d", threads, maxThreads)
	}
	best, begin := 0.0, time.Now()
	for {
		best = max(best, float64(C.rl_peak(C.int(threads), peakIterations)))
		if time.Since(begin) >= duration {
			return best, nil
		}
	}
}
