package cluster

import (
	"context"
	"errors"
	"time"
)

const (
	goodbyeTimeout = time.Second            // for the others to hear that this node leaves
	leaveTimeout   = 200 * time.Millisecond // for gossip to spread it, so that nobody probes this node any more
)

// Abort says that this rank has stopped and why, and ends the view on all ranks. Every rank whose work ends with an
// error calls it once, with the error that it saw: that is how the root cause is told from its consequences, see
// [Node.RootCause] and [Kind]. A rank that was asked to stop gives an error that wraps ErrInterrupted. Before there is
// a view, WaitView fails with the reason. It does not block; Leave makes sure that the others have heard.
func (n *Node) Abort(reason error) {
	if reason == nil {
		reason = errors.New("no reason given")
	}
	kind := classify(reason)
	n.mail.post(func() { n.core.abort(time.Now(), kind, reason) })
}

// Suspect says that this rank has lost its connection to another. If nobody listens on that member's gossip port any
// more, the member is dead and the view ends at once; else gossip decides. In an elastic job a member that does not answer
// within about a second is silent, which ends the view too; if that was wrong, the next view costs time, and nothing
// else. It does not block.
func (n *Node) Suspect(rank int) {
	n.mail.post(func() { n.core.suspect(rank) })
}

// RootCause waits until the view has ended, then until the cause is certain, all ranks have reported or Config.Grace
// has passed, and gives the first failing rank's error: *MemberLost, *Aborted, or *Unresponsive where only consequences
// were reported and some rank said nothing. Deaths and ranks' own errors take precedence over a ring that did not form, that over interruptions, those over
// departures, those over consequences; within a class the first to be noticed counts. It is nil if the job has
// finished. Where there was no view it gives WaitView's error; other errors are those of the context, and ErrClosed.
func (n *Node) RootCause(ctx context.Context) error {
	var failure error
	err := n.await(ctx, func() bool {
		if n.core.phase == failed {
			failure = n.failure
		}
		return n.core.phase == ended || n.core.phase == failed || n.core.over()
	})
	if err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	grace, cancel := context.WithTimeout(ctx, n.cfg.Grace)
	defer cancel()
	err = n.await(grace, func() bool { return n.core.explained() || n.core.over() })
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	var root error
	if err := n.ask(func() { root = n.core.root(n.cfg.Grace) }); err != nil {
		return err
	}
	return root
}

// Leads reports whether this node is the oldest member of its view that is not known to be dead: the one to print the
// root cause. Ask after RootCause, which waits for deaths to be confirmed. False without a view, and on a closed node.
func (n *Node) Leads() bool {
	leads := false
	if err := n.ask(func() { leads = n.core.leads() }); err != nil {
		return false
	}
	return leads
}

// Finish says that this rank's part of the job is done, and waits until all ranks have said so. From then on nobody's
// departure is a failure. If the view ends before, it gives the cause of that.
func (n *Node) Finish(ctx context.Context) error {
	n.mail.post(func() { n.core.finish() })
	over := false
	err := n.await(ctx, func() bool {
		over = n.core.over()
		return over || n.core.phase != running
	})
	if err != nil {
		return err
	}
	if !over {
		select {
		case <-n.formed:
			return n.current().Cause()
		default:
			return errors.New("cluster: Finish without a view")
		}
	}
	return n.await(ctx, n.drained)
}

// Leave tells the others that this node is leaving, so that they do not take it for dead, and leaves the gossip.
// Leaving in mid-job ends the view for all, as Abort does. It returns when the others have heard, or after about a
// second, or when the context ends.
func (n *Node) Leave(ctx context.Context) error {
	if !n.depart() {
		return ErrClosed
	}
	select {
	case <-n.departed:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// depart starts to leave, once; false if the node is closing.
func (n *Node) depart() bool {
	n.departOnce.Do(func() {
		n.spawn(func() {
			defer close(n.departed)
			if err := n.ask(func() { n.core.bye(time.Now()) }); err != nil {
				return
			}
			ctx, cancel := context.WithTimeout(n.ctx, goodbyeTimeout)
			defer cancel()
			if err := n.await(ctx, n.drained); err != nil {
				n.log.Debug("some nodes have not heard that this one leaves")
			}
			if err := n.ml.Leave(leaveTimeout); err != nil {
				n.log.Debug(err.Error()) // those who have left as well do not listen any more
			}
			_ = n.ask(func() { // a closed node's view ends with ErrClosed
				if n.cancelView != nil {
					n.cancelView(ErrLeft)
				}
			})
		})
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.closing
}
