package cluster

import (
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/zap"
)

// courier to a peer, made on first use.
func (n *Node) courier(to Member) *courier {
	c := n.couriers[to.ID]
	if c == nil {
		host, port, err := net.SplitHostPort(to.Addr)
		target := &memberlist.Node{Name: to.ID, Addr: net.ParseIP(host)}
		if err == nil {
			_, err = fmt.Sscan(port, &target.Port)
		}
		c = newCourier(n.core.self.ID, to.ID, func(frame []byte) error {
			if err != nil {
				return err
			}
			return n.ml.SendReliable(target, frame)
		})
		n.couriers[to.ID] = c
		n.spawn(func() {
			c.run(n.ctx)
			n.mail.post(func() { delete(n.couriers, to.ID) })
		})
	}
	return c
}

// receive takes a message from memberlist's goroutines.
func (n *Node) receive(b []byte) {
	f, err := decodeFrame(b)
	if err != nil {
		n.log.Warn("ignore a message", zap.Error(err))
		return
	}
	n.mail.post(func() {
		if f.To != n.core.self.ID {
			return // for another process that had this address
		}
		if c := n.couriers[f.From]; c != nil && f.Ack > 0 {
			c.acked(f.Ack)
		}
		p, gone := n.core.peers[f.From], n.core.gone[f.From]
		if f.Msg == nil || p == nil && !gone {
			return // gossip may tell of the sender later, and the message will come again
		}
		deliver, ack := n.inbox.offer(f.From, f.Seq)
		if c := n.couriers[f.From]; ack && (p != nil || c != nil) {
			if c == nil {
				c = n.courier(p.Member)
			}
			c.acknowledge(f.Seq)
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

// drained says whether the live peers have received all messages.
func (n *Node) drained() bool {
	for id, c := range n.couriers {
		if n.core.peers[id] != nil && !c.drained() {
			return false
		}
	}
	return true
}
