//go:build onednn && cgo

package onednn

import (
	"runtime"
	"testing"
	"time"
)

func TestPeakFLOPS(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got, err := PeakFLOPS(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Bounds that no machine leaves: a core that starts a vector a second, and one of 1000 times today's speed. A loop
	// that the compiler removed would be above the second.
	if got < 4 || got > 1e15 {
		t.Errorf("%g FLOP/s of one thread", got)
	}
	for _, threads := range []int{-1, 0, maxThreads + 1} {
		if got, err := PeakFLOPS(threads, time.Millisecond); err == nil {
			t.Errorf("%g FLOP/s of %d threads", got, threads)
		}
	}
}
