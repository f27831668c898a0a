package main

import (
	"fmt"
	"io"
	"os"
	"ringloom/internal/printable"
	"sync"
)

// results is standard output as every command writes it: what peers say of themselves is escaped, and the first error is kept for the
// end, for most of what prints does not look. A run that has lost a line goes on, but does not end as if nothing were.
type results struct {
	mu      sync.Mutex
	out     io.Writer
	written bool
	err     error // the first
}

func newResults(out io.Writer) *results { return &results{out: printable.Writer(out)} }

func (r *results) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.out.Write(p)
	r.written = true
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// finish says what could not be written. A file may say so when it is closed.
func (r *results) finish(f *os.File) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := f.Close(); r.err == nil && r.written {
		r.err = err
	}
	if r.err != nil {
		return fmt.Errorf("results are lost: writing to standard output: %w", r.err)
	}
	return nil
}
