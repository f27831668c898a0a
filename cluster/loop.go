package cluster

import (
	"context"
	"reflect"
	"time"

	"go.uber.org/zap"

	"ringloom/internal/printable"
)

// tickInterval is how often the state machine learns the time.
const tickInterval = 100 * time.Millisecond

// waiter is somebody who waits until the state satisfies a condition.
type waiter struct {
	reached func() bool
	done    chan struct{}
}

// loop owns the state machine.
func (n *Node) loop() {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		n.perform()
		select {
		case <-n.ctx.Done():
			return
		case <-n.mail.signal:
			n.run(time.Now(), sinceBoot()) // before anything that this process may have slept through
			for _, f := range n.mail.take() {
				f()
			}
		case <-ticker.C:
			now := time.Now()
			n.run(now, sinceBoot())
			n.probe(now)
			n.core.tick(now)
			if line := n.net.strangers.summary(now, n.net.gate); line != "" {
				n.log.Warn(line)
			}
		}
	}
}

// perform does what the state machine asks for, then wakes those whose condition is satisfied.
func (n *Node) perform() {
	for _, a := range n.core.take() {
		switch a := a.(type) {
		case send:
			n.courier(a.to).push(a.msg)
		case begin:
			view := a.view
			view.ctx, n.cancelView = context.WithCancelCause(context.Background())
			first := n.view.Swap(&view) == nil
			n.log.Info("view begins", zap.Uint64("generation", a.view.Generation), zap.Int("rank", a.view.Rank), zap.Int("ranks", len(a.view.Members)))
			if first {
				close(n.formed)
			}
		case end:
			if n.cfg.Elastic { // the next view says who is gone, and the end of a job why
				n.log.Info("view ends", zap.Error(a.cause))
			} else {
				n.log.Warn("view ends", zap.Error(a.cause))
			}
			n.cancelView(a.cause)
		case fail:
			n.failure = a.err
			close(n.failed)
			n.depart()
		case check:
			if n.cfg.Elastic {
				n.lookAfter(a.member)
			} else {
				n.check(a.member)
			}
		case regain:
			n.regain(a.member)
		case drop:
			if c := n.couriers[a.member.ID]; c != nil {
				c.drop()
			}
		case note:
			if a.warn {
				n.log.Warn(printable.Text(a.text))
			} else {
				n.log.Info(printable.Text(a.text))
			}
		}
	}
	n.joiners.Store(int32(n.core.joiners()))
	n.publish()
	n.waiters = deleteReached(n.waiters)
}

func deleteReached(ws []waiter) []waiter {
	kept := ws[:0]
	for _, w := range ws {
		if w.reached() {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	clear(ws[len(kept):])
	return kept
}

// publish gives WaitView a token if the waiting status has changed.
func (n *Node) publish() {
	if n.core.phase != forming {
		return
	}
	s := n.core.status(time.Now())
	s.Left = 0
	if !reflect.DeepEqual(s, n.lastStatus) {
		n.lastStatus = s
		select {
		case n.news <- struct{}{}:
		default:
		}
	}
}

// ask runs f on the loop and waits for it; ErrClosed if it will not run.
func (n *Node) ask(f func()) error {
	done := make(chan struct{})
	if !n.mail.post(func() { f(); close(done) }) {
		return ErrClosed
	}
	select {
	case <-done:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	}
}

// await waits until the state satisfies a condition: reached, which the loop calls.
func (n *Node) await(ctx context.Context, reached func() bool) error {
	w := waiter{reached, make(chan struct{})}
	if !n.mail.post(func() { n.waiters = append(n.waiters, w) }) {
		return ErrClosed
	}
	select {
	case <-w.done:
		return nil
	case <-n.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
