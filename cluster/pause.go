package cluster

import (
	"fmt"
	"time"
)

// A process that was stopped finds on waking that nobody has answered it for a while, and that its connections are cut.
// It must not blame the others for that: what it then sees first is its own pause.

const (
	// pauseLeast is more than a busy machine keeps a thread waiting, and less than the others take to give a node up.
	pauseLeast = 3 * time.Second
	// pauseMatters is how long after it a pause explains that another rank seems to be gone. The others' connections,
	// timers and processes end within this time.
	pauseMatters = 10 * time.Second
)

// Paused is why a rank's job ended where the rank itself had not run for a while.
type Paused struct {
	For   time.Duration
	Until time.Time // when it went on
	// Then is what this rank saw after that.
	Then error
}

func (e *Paused) Error() string {
	return fmt.Sprintf("this process was stopped for %v, until %s (by a signal such as SIGSTOP or Ctrl-Z, a debugger, a machine that was suspended, or no processor for it); "+
		"a node that is silent for about 5 s is given up; what it saw after that: %v", e.For.Round(100*time.Millisecond), e.Until.Format(time.TimeOnly), e.Then)
}

// Unwrap gives what followed.
func (e *Paused) Unwrap() error { return e.Then }

// slept: this process has not run for gap, until now.
func (c *core) slept(now time.Time, gap time.Duration) {
	if gap < pauseLeast {
		return
	}
	if c.pause == nil || c.pause.For < gap {
		c.pause = &Paused{For: gap, Until: now}
	}
	c.logf(true, "this process did not run for %v: it was stopped, or its machine suspended or overloaded", gap.Round(100*time.Millisecond))
}

// ownPause is the pause of this rank that explains what it has just seen of others, nil if there is none, or others
// had ended the view before.
func (c *core) ownPause(kind Kind) *Paused {
	if c.phase != running || kind == Primary || kind == Unformed || kind == Interrupted {
		return nil // somebody's own failure
	}
	return c.pause
}

// confess tells all that this rank was stopped, in place of what it saw.
func (c *core) confess(p *Paused, then error) {
	own := &Paused{For: p.For, Until: p.Until, Then: then}
	r := report{Kind: Primary, Text: oneLine(own.Error()), At: p.Until}
	c.sendAll(c.view.Members, message{Kind: msgReport, Generation: c.view.Generation, Report: &r})
	c.keep(c.view.Rank, Primary, c.aborted(c.view.Rank, r, own))
}

// run tells the state machine of the time for which the loop has not run.
func (n *Node) run(now time.Time, boot time.Duration) {
	if !n.lastRun.IsZero() {
		n.core.slept(now, max(now.Sub(n.lastRun), boot-n.lastBoot))
	}
	n.lastRun, n.lastBoot = now, boot
}
