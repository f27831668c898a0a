package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// sluice takes what is written while it is open.
type sluice struct {
	mu   sync.Mutex // held while it is closed
	text bytes.Buffer
	err  error
}

func (s *sluice) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	return len(b), s.err
}

func TestAStreamThatNobodyReadsBlocksNobody(t *testing.T) {
	to := &sluice{}
	s := newStream(t.Context(), "standard error", to, nil)
	s.Write([]byte("before\n"))
	if got := to.text.String(); got != "before\n" {
		t.Errorf("%q: what is taken is written when Write returns", got)
	}
	to.mu.Lock()
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 7 { // 7 MiB of which 4 are kept
		if n, err := s.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	to.mu.Unlock()
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("after\n"))
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	if got := to.text.String(); strings.Count(got, "x\n") != 4 || !strings.HasSuffix(got, "x\nringloom: 3 lines are missing here: nobody took them from standard error\nafter\n") {
		t.Errorf("%d lines, and at the end %q", strings.Count(got, "x\n"), got[max(0, len(got)-200):])
	}
}

// Results are not dropped: they wait, as long as the context lets them, and this process says for what.
func TestResultsWaitForTheirReader(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	to := &sluice{}
	to.mu.Lock()
	s := newStream(ctx, "standard output", to, func(text string) {
		if !strings.Contains(text, "standard output") {
			t.Errorf("%q", text)
		}
		cancel(stop)
	})
	s.bePatient(true)
	if _, err := s.Write([]byte("result\n")); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	to.mu.Unlock()
	if err := s.flush(); err != nil || to.text.String() != "result\n" {
		t.Errorf("%v, %q", err, to.text.String())
	}
}

func TestAStreamThatFailsSaysSo(t *testing.T) {
	full := errors.New("no space left on device")
	s := newStream(t.Context(), "standard output", &sluice{err: full}, nil)
	if _, err := s.Write([]byte("result\n")); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if err := s.flush(); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}
