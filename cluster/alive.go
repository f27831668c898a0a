package cluster

import (
	"errors"
	"syscall"
	"time"
)

// In an elastic job a member that seems to be gone is looked after at once, and what is found is no more than a reason to
// go on without it, unless the end of its process is proven.

const (
	// askTwice is how often a member is asked before it is taken to be silent.
	askTwice = 2
	// cutTries bounds the tries, of which some may end in a connection that is cut.
	cutTries = 20
	// answerWithin is how long it may take to answer each time. The ring has had no answer for longer already, and a false suspicion costs
	// speed alone.
	answerWithin = 300 * time.Millisecond
	// proofWithin is how long the process of a member that refuses connections may take to end: its sockets close first.
	proofWithin   = 300 * time.Millisecond
	proofInterval = 5 * time.Millisecond
)

// lookAfter finds out whether a member's process is gone, or silent.
func (n *Node) lookAfter(m Member) {
	if n.checking[m.ID] {
		return
	}
	n.checking[m.ID] = true
	n.spawn(func() {
		by := n.evidence(m)
		n.mail.post(func() {
			delete(n.checking, m.ID)
			n.core.found(m.ID, by)
		})
	})
}

// regain tries to reach a node that gossip has given up, which forgets it after some time.
func (n *Node) regain(m Member) {
	if n.regaining[m.ID] {
		return
	}
	n.regaining[m.ID] = true
	n.spawn(func() {
		_, err := n.ml.Join([]string{m.Addr}) // blocks for seconds where nobody answers
		n.mail.post(func() {
			delete(n.regaining, m.ID)
			if err == nil {
				n.core.logf(false, "%s can be reached again", m)
			}
		})
	})
}

// evidence is how a member seems to be dead; empty if it answers. A process that is being killed may cut connections for
// a moment before it refuses them and has ended.
func (n *Node) evidence(m Member) Evidence {
	silent, refused := 0, 0
	for range cutTries {
		if processEnded(m) {
			return Proven
		}
		err := n.answers(m, answerWithin)
		switch {
		case err == nil || n.ctx.Err() != nil:
			return ""
		case errors.Is(err, errNoAnswer):
			silent++
		case n.endsSoon(m):
			return Proven
		case errors.Is(err, syscall.ECONNREFUSED):
			refused++
		default:
			select {
			case <-n.ctx.Done():
				return ""
			case <-time.After(proofInterval):
			}
		}
		if refused == askTwice {
			return Refused
		}
		if silent == askTwice {
			return Silent
		}
	}
	return Silent
}

// endsSoon waits for the end of a process that listens no more.
func (n *Node) endsSoon(m Member) bool {
	if m.Machine == "" || m.Machine != n.core.self.Machine {
		return false
	}
	for range proofWithin / proofInterval {
		select {
		case <-n.ctx.Done():
			return false
		case <-time.After(proofInterval):
		}
		if processEnded(m) {
			return true
		}
	}
	return false
}

// processEnded says whether the member's process has certainly ended.
func processEnded(m Member) bool {
	return m.Machine != "" && m.Machine == machine() && processGone(m.PID)
}
