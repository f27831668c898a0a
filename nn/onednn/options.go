package onednn

import (
	"errors"
	"fmt"
)

// ErrNotBuilt is returned by New and Available in a binary that has no oneDNN.
var ErrNotBuilt = errors.New("this binary was built without oneDNN; build with -tags onednn (make build)")

// ErrThreads is wrapped by New's error when Options.Threads is out of range.
var ErrThreads = errors.New("no such number of threads")

// ErrClosed is returned by every method of a device, and by Run of its kernels, after Close.
var ErrClosed = errors.New("oneDNN device is closed")

// ErrOperand is wrapped by Run's error when an operand is missing, too short or in the wrong kind of memory.
var ErrOperand = errors.New("wrong operand")

// Options configures New.
type Options struct {
	// Threads is how many threads a kernel uses, the caller's included. Zero means one, which suits one process per
	// core: training LeNet scales better over processes than over OpenMP threads.
	Threads int
	// Direct computes everything the safe algorithm: convolutions by oneDNN's direct algorithm.
	Direct bool
	// Strict leaves out the algorithms that do not add up a convolution's products as it is defined, but others that
	// come to the same in exact arithmetic: Winograd's. What is left has float32's error alone.
	Strict bool
}

// maxThreads bounds Options.Threads; more is a mistyped number, and each thread has its own scratch memory.
const maxThreads = 1024

// threads returns the number of threads asked for, or an error that names a number out of range.
func (o Options) threads() (int, error) {
	switch {
	case o.Threads == 0:
		return 1, nil
	case o.Threads < 0 || o.Threads > maxThreads:
		return 0, fmt.Errorf("oneDNN device: %w: %d asked for, want 1 to %d", ErrThreads, o.Threads, maxThreads)
	}
	return o.Threads, nil
}
