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
	// Slot says that Rank is the number of a slot of an elastic launch: which rank the process was in its cluster changes.
	Slot bool
	// Formed says that the process of a slot had been in a cluster.
	Formed bool
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

// Who says whose end it is: "rank 1 (pid 4711)", or which slot's.
func (e Exit) Who() string {
	place := "rank"
	if e.Slot {
		place = "slot"
	}
	return fmt.Sprintf("%s %d (pid %d)", place, e.Rank, e.PID)
}

func (f *Failure) Error() string {
	switch {
	case f.Hung:
		return f.Who() + " hung, ended by launch"
	case f.Crash != "":
		return f.Who() + " crashed: " + f.Crash
	case f.OutOfMemory:
		return fmt.Sprintf("%s was killed by signal %d (%v): out of memory", f.Who(), int(f.Signal), f.Signal)
	case f.Signal != 0:
		return fmt.Sprintf("%s was killed by signal %d (%v)", f.Who(), int(f.Signal), f.Signal)
	}
	return fmt.Sprintf("%s failed: %v", f.Who(), f.Err)
}

// Unwrap gives what Wait said.
func (f *Failure) Unwrap() error { return f.Err }

// exit is how the process has ended.
func (p *process) exit() Exit {
	e := Exit{Rank: p.rank, Slot: p.slot, PID: p.cmd.Process.Pid, Err: p.err}
	if p.err == nil {
		return e
	}
	e.Hung = p.hung
	e.Code = -1
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		e.Code = exit.ExitCode()
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			e.Signal = status.Signal()
		}
	}
	switch {
	case p.hung:
	case e.Code == crashCode || e.Signal == syscall.SIGABRT:
		e.Crash = p.crash
	case e.Signal == syscall.SIGKILL:
		e.OutOfMemory = p.outOfMemory
	}
	return e
}

// wait ends when all ranks have ended. After the first failure the others get time to end by themselves, as they
// do when the cluster tells them; hardly any while there is no cluster yet, which could not tell them.
func (l *launcher) wait(ctx context.Context) error {
	var first *process
	var deadline *time.Timer
	expired := func() <-chan time.Time {
		if deadline == nil {
			return nil
		}
		return deadline.C
	}
	interrupt := ctx.Done()
	left := len(l.processes)
	for left > 0 {
		select {
		case p := <-l.ended:
			left--
			p.over = true
			if p.err == nil || first != nil {
				continue
			}
			first = p
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
func (l *launcher) rootCause(first *process) *process {
	cause := first
	for _, p := range l.processes {
		if l.likelihood(p.exit(), p.told) < l.likelihood(cause.exit(), cause.told) {
			cause = p
		}
	}
	return cause
}

// How likely an exit is the root cause, from the most likely on. One that hung is the cause of those that ended because of another, but not
// of another's own failure.
const (
	killed      = iota // or crashed
	failed             // by itself
	hung               // and was ended
	consequence        // of another's end
	fine
)

// likelihood orders exits by how likely they are the root cause. told says that one was told to end.
func (c Config) likelihood(e Exit, told bool) int {
	switch {
	case e.Err == nil:
		return fine
	case e.Hung:
		return hung
	case told:
		return consequence
	case e.Signal != 0 || e.Crash != "":
		return killed
	case e.Code >= 0 && c.Consequence(e.Code):
		return consequence
	}
	return failed
}

// endAll stops the ranks that still run, and waits for so many that have not come through ended yet: SIGTERM first, SIGKILL after
// EndAfterTerm. hung says that they should have ended by themselves.
func (l *launcher) endAll(left int, hung bool) {
	for _, p := range l.processes {
		p.hung, p.told = hung && !p.over, !p.over
	}
	l.signal(syscall.SIGTERM)
	timer := time.NewTimer(l.EndAfterTerm)
	defer timer.Stop()
	for left > 0 {
		select {
		case p := <-l.ended:
			left--
			p.over = true
		case <-timer.C:
			for _, p := range l.processes {
				p.hung = p.hung || !p.over
			}
			l.signal(syscall.SIGKILL)
		}
	}
}

// signal reaches the ranks that still run; os.Process refuses the others by itself. One that is stopped goes on, or it would not end.
func (l *launcher) signal(s syscall.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.processes {
		p.signal(s)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.cmd.Process.Signal(s)
	if s == syscall.SIGTERM || s == syscall.SIGINT {
		p.cmd.Process.Signal(syscall.SIGCONT)
	}
}
