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
	// Err is nil where the process did what it was asked, else what exec.Cmd's Wait says.
	Err error
}

// Failure is a launch that failed: the exit of the rank that is the root cause.
type Failure struct{ Exit }

func (f *Failure) Error() string {
	if f.Signal != 0 {
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
	e.Code = -1
	var exit *exec.ExitError
	if errors.As(s.err, &exit) {
		e.Code = exit.ExitCode()
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			e.Signal = status.Signal()
		}
	}
	return e
}

// wait ends when all ranks have ended. After the first failure the others get time to end by themselves, as they
// do when the cluster tells them.
func (l *launcher) wait(ctx context.Context) error {
	var first *slot
	var deadline <-chan time.Time
	interrupt := ctx.Done()
	for left := len(l.slots); left > 0; {
		select {
		case s := <-l.ended:
			left--
			if s.err != nil && first == nil {
				first = s
				timer := time.NewTimer(l.EndByThemselves)
				defer timer.Stop()
				deadline = timer.C
			}
		case <-interrupt:
			interrupt = nil
			l.signal(syscall.SIGTERM)
		case <-deadline:
			l.overdue(Overdue{Ranks: left, Failed: first.rank, After: l.EndByThemselves})
			l.endAll(left)
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
		if l.likelihood(s.exit()) < l.likelihood(cause.exit()) {
			cause = s
		}
	}
	return cause
}

// likelihood orders exits by how likely they are the root cause: killed, failed by itself, ended because of another, fine.
func (l *launcher) likelihood(e Exit) int {
	switch {
	case e.Err == nil:
		return 3
	case e.Signal != 0:
		return 0
	case e.Code >= 0 && l.Consequence(e.Code):
		return 2
	}
	return 1
}

// endAll stops the ranks that still run, and waits for so many that have not come through ended yet: SIGTERM first, SIGKILL after
// EndAfterTerm.
func (l *launcher) endAll(left int) {
	l.signal(syscall.SIGTERM)
	timer := time.NewTimer(l.EndAfterTerm)
	defer timer.Stop()
	for left > 0 {
		select {
		case <-l.ended:
			left--
		case <-timer.C:
			l.signal(syscall.SIGKILL)
		}
	}
}

// signal reaches the ranks that still run; os.Process refuses the others by itself.
func (l *launcher) signal(s syscall.Signal) {
	for _, slot := range l.slots {
		slot.cmd.Process.Signal(s)
	}
}
