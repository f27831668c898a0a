package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	// streamBytes is what waits at most for somebody to take it; what comes on top is dropped, and counted.
	streamBytes = 4 << 20
	// streamPatience is how long a write waits for what it wrote to be taken, so that lines of two streams keep their order; none does
	// while one before it waits.
	streamPatience = 100 * time.Millisecond
	// sayAfter is how long this process waits for something before it says so.
	sayAfter = 2 * time.Second
)

// stream is standard output or error. Somebody may take nothing from it for a while: a pager, a stopped terminal, a pipe whose reader
// hangs. A training must not wait for him, so a stream keeps what he has not taken, and drops what is too much. Where results are
// all that a command makes, its output waits instead (patient), as long as its context lets it.
type stream struct {
	name string
	to   io.Writer
	ctx  context.Context
	say  func(text string) // what it waits for

	mu      sync.Mutex
	patient bool
	queue   [][]byte
	queued  int           // bytes
	empty   chan struct{} // closed when all is written; nil while nothing waits
	stalled bool          // a write was not taken in time
	dropped int           // writes since the last that was kept
	err     error         // the first of a write
}

// standardOutput and standardError are the process's. main makes them; in tests of commands they write to nobody's files.
var (
	standardError  = newStream(context.Background(), "standard error", os.Stderr, nil)
	standardOutput = newStream(context.Background(), "standard output", os.Stdout, func(text string) { fmt.Fprintln(standardError, text) })
)

func newStream(ctx context.Context, name string, to io.Writer, say func(string)) *stream {
	return &stream{name: name, to: to, ctx: ctx, say: say}
}

// isTerminal says whether people see what is written.
func isTerminal(w io.Writer) bool {
	if s, ok := w.(*stream); ok {
		w = s.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// bePatient has writes wait until they are taken.
func (s *stream) bePatient(patient bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patient = patient
}

// Write keeps a copy until it is taken. The error is that of a write, this one or one before.
func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return 0, s.err
	}
	if s.queued > 0 && s.queued+len(b) > streamBytes && !s.patient {
		s.dropped++
		s.mu.Unlock()
		return len(b), nil
	}
	if s.dropped > 0 {
		s.push(fmt.Appendf(nil, "ringloom: %d lines are missing here: nobody took them from %s\n", s.dropped, s.name))
		s.dropped = 0
	}
	s.push(append([]byte(nil), b...))
	empty, patient, stalled := s.empty, s.patient, s.stalled
	s.mu.Unlock()
	if patient {
		return len(b), s.wait(empty)
	}
	if stalled {
		return len(b), nil
	}
	timer := time.NewTimer(streamPatience)
	defer timer.Stop()
	select {
	case <-empty:
	case <-timer.C:
		s.mu.Lock()
		s.stalled = s.empty == empty // else it was taken just now
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(b), s.err
}

// push adds to the queue, and has it written. The lock is held.
func (s *stream) push(b []byte) {
	s.queue = append(s.queue, b)
	s.queued += len(b)
	if s.empty == nil {
		s.empty = make(chan struct{})
		go s.drain(s.empty)
	}
}

// drain writes what waits until nothing does.
func (s *stream) drain(empty chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && s.err == nil {
		b := s.queue[0]
		s.mu.Unlock()
		_, err := s.to.Write(b)
		s.mu.Lock()
		s.queue, s.queued = s.queue[1:], s.queued-len(b)
		if s.err == nil {
			s.err = err
		}
	}
	s.queue, s.queued, s.stalled, s.empty = nil, 0, false, nil
	close(empty)
}

// wait waits until all that was written has been taken, or the context has ended.
func (s *stream) wait(empty chan struct{}) error {
	tick := time.NewTimer(sayAfter)
	defer tick.Stop()
	for {
		select {
		case <-empty:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.err
		case <-tick.C:
			if s.say != nil {
				s.say("ringloom: waiting for somebody to take what is written to " + s.name)
			}
		case <-s.ctx.Done():
			// A moment for a reader who is there, none for one who is not.
			select {
			case <-empty:
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.err
			case <-time.After(streamPatience):
				return context.Cause(s.ctx)
			}
		}
	}
}

// flush waits until all that was written has been taken, or the context has ended. The error is the first of a write.
func (s *stream) flush() error {
	s.mu.Lock()
	empty, err := s.empty, s.err
	s.mu.Unlock()
	if empty == nil {
		return err
	}
	return s.wait(empty)
}
