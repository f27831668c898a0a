package cluster

import (
	"context"
	"time"
)

// repeatInterval is how often OnWaiting is called without news.
const repeatInterval = 5 * time.Second

// WaitView blocks until exactly the expected number of members have agreed on a view, and returns it. Errors:
// *JoinTimeout, *Mismatch, *JobFull, *KeyMismatch, *JobMismatch, ErrClosed, or the context's cause. In an elastic job a node that joins gets
// the first view that it is in, or *Evicted where it has missed that: it may join again as a new node. Once it has failed, the node has
// left the gossip or is about to: call Leave and Close.
func (n *Node) WaitView(ctx context.Context) (View, error) {
	repeat := time.NewTicker(repeatInterval)
	defer repeat.Stop()
	for {
		select { // an end takes precedence over news
		case <-n.formed:
			return n.current(), nil
		case <-n.failed:
			return View{}, n.failure
		default:
		}
		select {
		case <-n.formed:
		case <-n.failed:
		case <-n.ctx.Done():
			return View{}, ErrClosed
		case <-ctx.Done():
			return View{}, context.Cause(ctx)
		case <-n.news:
			n.callWaiting()
			repeat.Reset(repeatInterval)
		case <-repeat.C:
			n.callWaiting()
		}
	}
}

// current is the latest view. There is one once formed is closed.
func (n *Node) current() View { return *n.view.Load() }

func (n *Node) callWaiting() {
	if n.cfg.OnWaiting == nil {
		return
	}
	var s WaitStatus
	waiting := false
	if err := n.ask(func() { waiting, s = n.core.phase == forming, n.core.status(time.Now()) }); err == nil && waiting {
		n.cfg.OnWaiting(s)
	}
}

// joinReport records the outcome of trying an address to join.
func (n *Node) joinReport(addr string, err error) {
	n.mail.post(func() {
		if err == nil {
			delete(n.core.unreachable, addr)
			return
		}
		n.core.unreachable[addr] = err
		if isRefusal(err) {
			n.core.failWith(err)
		}
	})
}

// stranger records the host of a node with another key.
func (n *Node) stranger(host string) {
	n.mail.post(func() { n.core.stranger(host) })
}

// resolved records for which IP addresses an address to join stands.
func (n *Node) resolved(addr string, ips []string) {
	n.mail.post(func() { n.core.joining(addr, ips) })
}
