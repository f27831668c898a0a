package cluster

import (
	"bytes"
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
		var secret []byte
		if err == nil {
			secret, err = n.secretOf(to)
		}
		c = newCourier(n.core.self.ID, to.ID, func(frame []byte) error {
			if err != nil {
				return err
			}
			return n.ml.SendReliable(target, sign(secret, frame))
		})
		n.couriers[to.ID] = c
		n.spawn(func() {
			c.run(n.ctx)
			n.mail.post(func() { delete(n.couriers, to.ID) })
		})
	}
	return c
}

// secretOf is what MACs of this node's and the other's messages to each other are made with.
func (n *Node) secretOf(m Member) ([]byte, error) {
	if s := n.secrets[m.ID]; s != nil {
		return s, nil
	}
	s, err := n.identity.secret(m.Key, "messages")
	if err == nil {
		n.secrets[m.ID] = s
	}
	return s, err
}

// verify says whether a frame comes from whom it names. A member that is gone is still known.
func (n *Node) verify(f frame, tag, text []byte) error {
	secret := n.secrets[f.From]
	if p := n.core.peers[f.From]; p != nil {
		var err error
		if secret, err = n.secretOf(p.Member); err != nil {
			return err
		}
	}
	if !authentic(secret, tag, text) {
		return fmt.Errorf("cluster: a message as of %s: %w", nameOf(f.From), errForged)
	}
	return nil
}

// receive takes a message from memberlist's goroutines: a MAC, and what it authenticates.
func (n *Node) receive(b []byte) {
	if len(b) < macBytes || len(b) > macBytes+maxFrameBytes(n.cfg.WorldSize) {
		n.log.Warn("ignore a message", zap.Int("bytes", len(b)))
		return
	}
	b = bytes.Clone(b) // which is memberlist's
	tag, text := b[:macBytes], b[macBytes:]
	f, err := decodeFrame(text, n.cfg.WorldSize)
	if err != nil {
		n.log.Warn("ignore a message", zap.Error(err))
		return
	}
	n.mail.post(func() {
		if f.To != n.core.self.ID {
			return // for another process that had this address
		}
		if n.core.peers[f.From] == nil && !n.core.gone[f.From] {
			return // gossip may tell of the sender later, and the message will come again
		}
		if err := n.verify(f, tag, text); err != nil {
			n.log.Warn("ignore a message", zap.Error(err))
			return
		}
		if c := n.couriers[f.From]; c != nil && f.Ack > 0 {
			c.acked(f.Ack)
		}
		if f.Msg == nil {
			return
		}
		p := n.core.peers[f.From]
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
