package cluster

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// courier to a peer, made on first use.
func (n *Node) courier(to Member) *courier {
	c := n.couriers[to.ID]
	if c == nil {
		n.epochs++
		host, port, err := net.SplitHostPort(to.Addr)
		target := &memberlist.Node{Name: to.ID, Addr: net.ParseIP(host)}
		if err == nil {
			_, err = fmt.Sscan(port, &target.Port)
		}
		c = newCourier(n.core.self.ID, to.ID, n.epochs, func(frame []byte) error {
			if err != nil {
				return err
			}
			return n.ml.SendReliable(target, n.who.seal(frame))
		})
		c.hint = func(frame []byte) error {
			if err != nil {
				return err
			}
			return n.ml.SendBestEffort(target, n.who.seal(frame))
		}
		n.couriers[to.ID] = c
		n.spawn(func() {
			c.run(n.ctx)
			n.mail.post(func() {
				delete(n.couriers, to.ID)
				for _, m := range c.rest() {
					n.courier(to).push(m)
				}
			})
		})
	}
	return c
}

// receive takes a message from memberlist's goroutines.
func (n *Node) receive(b []byte) {
	f, err := openFrame(b, n.cfg.capacity())
	if err != nil {
		if n.complaints.allow(time.Now()) {
			n.log.Warn("ignore a message", zap.Error(err))
		}
		return
	}
	n.mail.post(func() {
		if f.To != n.core.self.ID {
			return // for another process that had this address
		}
		if c := n.couriers[f.From]; c != nil && f.Ack > 0 {
			c.acked(f.Acked, f.Ack)
		}
		p, gone := n.core.peers[f.From], n.core.gone[f.From]
		if f.Msg == nil || p == nil && !gone {
			return // gossip may tell of the sender later, and the message will come again
		}
		deliver, ack := n.inbox.offer(f.From, f.Epoch, f.Seq)
		if c := n.couriers[f.From]; ack && (p != nil || c != nil) {
			if c == nil {
				c = n.courier(p.Member)
			}
			c.acknowledge(f.Epoch, f.Seq, !deliver)
		}
		if deliver && p != nil {
			n.core.receive(time.Now(), f.From, *f.Msg)
		}
	})
}

// check finds out whether a member's process is gone.
func (n *Node) check(m Member) {
	if n.checking[m.ID] {
		return
	}
	n.checking[m.ID] = true
	n.spawn(func() {
		dead := confirmDead(n.ctx, m.Addr)
		n.mail.post(func() {
			delete(n.checking, m.ID)
			if dead && n.core.peers[m.ID] != nil {
				n.core.down(m.ID, Refused)
			}
		})
	})
}

const (
	// askTimeout is how long a member may take to answer that gossip takes for dead.
	askTimeout = 700 * time.Millisecond
	// refuteInterval and refuteTries are how long gossip may take to hear that such a member lives.
	refuteInterval = 500 * time.Millisecond
	refuteTries    = 6
)

// saidDead: gossip says that a node is dead. Any node may say that of another, so a member of the view is asked.
func (n *Node) saidDead(id string) {
	p := n.core.peers[id]
	if p == nil || !n.core.inLiveView(id) || n.core.done[id] { // who has finished may go
		n.core.down(id, Silent)
		return
	}
	if n.asking[id] {
		return
	}
	n.asking[id] = true
	m := p.Member
	n.spawn(func() {
		err := n.refuted(m)
		n.mail.post(func() {
			delete(n.asking, id)
			switch {
			case err == nil:
				n.core.logf(true, "gossip said that %s was dead, but it answers", m)
			case n.core.peers[id] == nil:
			case n.cfg.Elastic && n.gossips(id): // it has come back meanwhile, and may be gone again
				n.core.found(id, Silent)
			case errors.Is(err, syscall.ECONNREFUSED):
				n.core.down(id, Refused)
			default:
				n.core.down(id, Silent)
			}
		})
	})
}

// refuted waits until a member that answers is back in the gossip; else it is an error.
func (n *Node) refuted(m Member) error {
	for range refuteTries {
		if err := n.answers(m, askTimeout); err != nil {
			return err
		}
		if n.gossips(m.ID) {
			return nil
		}
		select {
		case <-n.ctx.Done():
			return ErrClosed
		case <-time.After(refuteInterval):
		}
	}
	return errors.New("it has left the gossip")
}

// gossips says whether a node is alive for memberlist.
func (n *Node) gossips(id string) bool {
	return slices.ContainsFunc(n.ml.Members(), func(m *memberlist.Node) bool { return m.Name == id })
}

// drained says whether the live peers have received all messages.
func (n *Node) drained() bool {
	for id, c := range n.couriers {
		if p := n.core.peers[id]; p != nil && !c.drained() && !(n.cfg.Elastic && n.core.dead(p.Member)) {
			return false
		}
	}
	return true
}
