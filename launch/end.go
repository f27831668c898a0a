package launch

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Exit is how a rank's process has ended.
type Exit struct {
	Rank, PID int
	// Code is the exit code; -1 where there is none, for a signal ended it or nobody could see how it ended.
	Code int
	// Signal is what killed it; 0 where nothing did.
	Signal syscall.Signal
	// Hung says that the launcher ended it, for it did not end by itself long after another one had failed, or the launch was to end.
	Hung bool
	// Crash is the first line of what Go's runtime says when a process dies of a fault of its own; empty where it did not.
	Crash string
	// OutOfMemory says that the system killed it, or another process of this machine or container at the time, to have memory.
	OutOfMemory bool
	// Err is nil where the process did what it was asked, else what exec.Cmd's Wait says.
	Err error
}

// Failure is a launch that failed: the exit of the rank that is the root cause.
type Failure struct{ Exit }

func (f *Failure) Error() string {
	switch {
	case f.Hung:
		return fmt.Sprintf("rank %d (pid %d) hung, ended by launch", f.Rank, f.PID)
	case f.Crash != "":
		return fmt.Sprintf("rank %d (pid %d) crashed: %s", f.Rank, f.PID, f.Crash)
	case f.OutOfMemory:
		return fmt.Sprintf("rank %d (pid %d) was killed by signal %d (%v): out of memory", f.Rank, f.PID, int(f.Signal), f.Signal)
	case f.Signal != 0:
		return fmt.Sprintf("rank %d (pid %d) was killed by signal %d (%v)", f.Rank, f.PID, int(f.Signal), f.Signal)
	}
	return fmt.Sprintf("rank %d (pid %d) failed: %v", f.Rank, f.PID, f.Err)
}

// Unwrap gives what Wait said.
func (f *Failure) Unwrap() error { return f.Err }

// exit is how the slot's process has ended.
func (s *slot) exit() Exit {
	e := Exit{Rank: s.rank, PID: s.cmd.Process.Pid, Err: s.err}
	if s.err == nil {
		return e
	}
	e.Hung = s.hung
	e.Code = -1
	var exit *exec.ExitError
	if errors.As(s.err, &exit) {
		e.Code = exit.ExitCode()
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			e.Signal = status.Signal()
		}
	}
	switch {
	case s.hung:
	case e.Code == crashCode || e.Signal == syscall.SIGABRT:
		e.Crash = s.crash
	case e.Signal == syscall.SIGKILL:
		e.OutOfMemory = s.outOfMemory
	}
	return e
}

// wait ends when all ranks have ended. After the first failure the others get time to end by themselves, as they
// do when the cluster tells them; hardly any while there is no cluster yet, which could not tell them.
func (l *launcher) wait(ctx context.Context) error {
	var first *slot
	var deadline *time.Timer
	expired := func() <-chan time.Time {
		if deadline == nil {
			return nil
		}
		return deadline.C
	}
	interrupt := ctx.Done()
	left := len(l.slots)
	for left > 0 {
		select {
		case s := <-l.ended:
			left--
			s.over = true
			if s.err == nil || first != nil {
				continue
			}
			first = s
			if deadline == nil {
				patience := l.EndByThemselves
				if !l.formed.Load() {
					patience = min(patience, l.EndUnformed)
				}
				deadline = time.NewTimer(patience)
				defer deadline.Stop()
			}
		case <-interrupt:
			interrupt = nil
			l.signal(syscall.SIGTERM)
			if deadline != nil {
				deadline.Stop()
			}
			deadline = time.NewTimer(l.EndAfterTerm)
			defer deadline.Stop()
		case <-expired():
			// Without a cluster nobody is overdue: the others have not heard.
			overdue := l.formed.Load()
			if overdue && ctx.Err() == nil {
				l.overdue(Overdue{Ranks: left, Failed: first.rank, After: l.EndByThemselves})
			}
			l.endAll(left, overdue)
			left = 0
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if first == nil {
		return nil
	}
	return &Failure{l.rootCause(first).exit()}
}

func (l *launcher) overdue(o Overdue) {
	l.outputMu.Lock()
	defer l.outputMu.Unlock()
	l.OnOverdue(o)
}

// rootCause is the rank that is the cause of the others' ends: first, which ended first, unless another is more likely. A rank that a
// signal killed is the cause of the others' errors, whichever ended first; else it is one whose own failure the others report.
func (l *launcher) rootCause(first *slot) *slot {
	cause := first
	for _, s := range l.slots {
		if l.likelihood(s) < l.likelihood(cause) {
			cause = s
		}
	}
	return cause
}

// likelihood orders exits by how likely they are the root cause: killed or crashed, failed by itself, hung, ended because of another,
// fine. One that hung is the cause of those that ended because of another, but not of another's own failure.
func (l *launcher) likelihood(s *slot) int {
	switch e := s.exit(); {
	case e.Err == nil:
		return 4
	case e.Hung:
		return 2
	case s.told:
		return 3
	case e.Signal != 0 || e.Crash != "":
		return 0
	case e.Code >= 0 && l.Consequence(e.Code):
		return 3
	}
	return 1
}

// endAll stops the ranks that still run, and waits for so many that have not come through ended yet: SIGTERM first, SIGKILL after
// EndAfterTerm. hung says that they should have ended by themselves.
func (l *launcher) endAll(left int, hung bool) {
	for _, s := range l.slots {
		s.hung, s.told = hung && !s.over, !s.over
	}
	l.signal(syscall.SIGTERM)
	timer := time.NewTimer(l.EndAfterTerm)
	defer timer.Stop()
	for left > 0 {
		select {
		case s := <-l.ended:
			left--
			s.over = true
		case <-timer.C:
			for _, s := range l.slots {
				s.hung = s.hung || !s.over
			}
			l.signal(syscall.SIGKILL)
		}
	}
}

// signal reaches the ranks that still run; os.Process refuses the others by itself. One that is stopped goes on, or it would not end.
func (l *launcher) signal(s syscall.Signal) {
	l.slotsMu.Lock()
	defer l.slotsMu.Unlock()
	for _, slot := range l.slots {
		slot.cmd.Process.Signal(s)
		if s == syscall.SIGTERM {
			slot.cmd.Process.Signal(syscall.SIGCONT)
		}
	}
}
