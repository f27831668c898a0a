package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// How long the other ranks have to end by themselves after a failure, and then after SIGTERM.
const (
	endByThemselves = 15 * time.Second
	endAfterTerm    = 5 * time.Second
)

// wait ends when all children have ended. After the first failure the others get time to end by themselves, as they
// do when the cluster tells them.
func (l *launcher) wait(ctx context.Context, children []*child, ended chan *child) error {
	var first *child
	var deadline <-chan time.Time
	interrupt := ctx.Done()
	for left := len(children); left > 0; {
		select {
		case c := <-ended:
			left--
			if c.err != nil && first == nil {
				first = c
				timer := time.NewTimer(endByThemselves)
				defer timer.Stop()
				deadline = timer.C
			}
		case <-interrupt:
			interrupt = nil
			l.signal(children, syscall.SIGTERM)
		case <-deadline:
			l.printf("ringloom: %d ranks did not end within %v of rank %d's failure; ending them", left, endByThemselves, first.rank)
			l.endAll(children, ended, len(children)-left)
			left = 0
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if first == nil {
		return nil
	}
	return l.verdict(first, children)
}

// verdict prints the root cause last. A rank that a signal killed is the cause of the others' errors, whichever ended
// first; else it is the rank whose own failure the others report.
func (l *launcher) verdict(first *child, children []*child) error {
	cause := first
	for _, c := range children {
		if rootRank(c) < rootRank(cause) {
			cause = c
		}
	}
	var exit *exec.ExitError
	if !errors.As(cause.err, &exit) {
		return fmt.Errorf("rank %d: %w", cause.rank, cause.err)
	}
	code := exit.ExitCode()
	switch status := exit.Sys().(syscall.WaitStatus); {
	case status.Signaled():
		code = exitPeer
		l.printf("ringloom: rank %d (pid %d) was killed by signal %d (%v); the other ranks ended because of it",
			cause.rank, cause.cmd.Process.Pid, status.Signal(), status.Signal())
	case code == exitInterrupted:
		l.printf("ringloom: rank %d (pid %d) was interrupted; the other ranks ended because of it", cause.rank, cause.cmd.Process.Pid)
	default:
		l.printf("ringloom: rank %d (pid %d) failed with exit code %d; its log is marked \"rank %d |\" above",
			cause.rank, cause.cmd.Process.Pid, code, cause.rank)
	}
	return &alreadyShown{code}
}

// rootRank orders children by how likely they are the root cause: killed, failed by themselves, ended by a peer, fine.
func rootRank(c *child) int {
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return 3
	case !errors.As(c.err, &exit):
		return 1
	case exit.Sys().(syscall.WaitStatus).Signaled():
		return 0
	case exit.ExitCode() == exitPeer:
		return 2
	}
	return 1
}

// endAll stops the children that still run and waits for them: SIGTERM first, SIGKILL after endAfterTerm.
func (l *launcher) endAll(children []*child, ended <-chan *child, already int) {
	l.signal(children, syscall.SIGTERM)
	timer := time.NewTimer(endAfterTerm)
	defer timer.Stop()
	for left := len(children) - already; left > 0; {
		select {
		case <-ended:
			left--
		case <-timer.C:
			l.signal(children, syscall.SIGKILL)
		}
	}
}

// signal reaches the children that still run; os.Process refuses the others by itself.
func (l *launcher) signal(children []*child, s syscall.Signal) {
	for _, c := range children {
		c.cmd.Process.Signal(s)
	}
}

func (l *launcher) printf(format string, args ...any) {
	l.logMu.Lock()
	defer l.logMu.Unlock()
	fmt.Fprintf(l.log, format+"\n", args...)
}
