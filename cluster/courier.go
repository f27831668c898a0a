package cluster

import (
	"context"
	"sync"
	"time"
)

const (
	resendFirst = 200 * time.Millisecond
	resendMost  = 2 * time.Second
	dropAfter   = 5 * time.Second // for a peer that is gone
)

// courier carries messages to one peer, in order: it sends the oldest until that is acknowledged, then the next. It
// also sends the acknowledgements for the other direction. It never blocks its callers.
type courier struct {
	from, to string
	epoch    uint64                   // tells this courier's messages from those of an earlier one of the same nodes
	post     func(frame []byte) error // one try; may block until its own time-out
	// hint is as post, but cheap and less certain; nil if there is no such way. It is for the first acknowledgement of a
	// message: were it lost, the message would come again.
	hint   func(frame []byte) error
	wake   chan struct{} // has a token when there is something new to do
	resend time.Duration // after so long without an acknowledgement; doubles up to resendMost

	mu      sync.Mutex
	queue   []message // guarded by mu; not acknowledged
	first   uint64    // guarded by mu; the number of queue[0]
	sent    bool      // guarded by mu; queue[0] was sent since the last acknowledgement
	ack     uint64    // guarded by mu; to be acknowledged
	acking  uint64    // guarded by mu; the epoch of ack
	ackDue  bool      // guarded by mu
	ackSure bool      // guarded by mu; by post
	dropped bool      // guarded by mu; the peer is gone
}

func newCourier(from, to string, epoch uint64, post func([]byte) error) *courier {
	return &courier{from: from, to: to, epoch: epoch, post: post, wake: make(chan struct{}, 1), resend: resendFirst, first: 1}
}

func (c *courier) alert() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) push(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, m)
	c.dropped = false // the peer is back
	c.alert()
}

// acked takes the peer's acknowledgement; true if nothing is in flight any more.
func (c *courier) acked(epoch, seq uint64) (drained bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 && epoch == c.epoch && seq == c.first {
		c.queue = c.queue[1:]
		c.first++
		c.sent = false
		c.alert()
	}
	return len(c.queue) == 0
}

// acknowledge sends an acknowledgement, with the next message if there is one. again says that it is not the first for
// this message.
func (c *courier) acknowledge(epoch, seq uint64, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch > c.acking {
		c.acking, c.ack = epoch, 0
	}
	c.ack, c.ackDue, c.ackSure = max(c.ack, seq), true, c.ackSure || again
	c.alert()
}

// drop ends the courier soon: when all is delivered, or after dropAfter.
func (c *courier) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	c.alert()
}

func (c *courier) drained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

// next is the frame to send now, nil if none, and how; again says that the time to resend is over.
func (c *courier) next(again bool) (b []byte, by func([]byte) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := frame{From: c.from, To: c.to, Ack: c.ack, Acked: c.acking}
	send := c.ackDue
	if len(c.queue) > 0 && (!c.sent || again) {
		f.Epoch, f.Seq, f.Msg = c.epoch, c.first, &c.queue[0]
		c.sent, send = true, true
	}
	by = c.post
	if f.Msg == nil && !c.ackSure && c.hint != nil {
		by = c.hint
	}
	c.ackDue, c.ackSure = false, false
	if !send {
		return nil, nil
	}
	return f.encode(), by
}

// rest is what was given to the courier after it had given up.
func (c *courier) rest() []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return nil
	}
	return c.queue
}

func (c *courier) state() (waiting, dropped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0, c.dropped
}

// run sends until the context ends or the peer is gone.
func (c *courier) run(ctx context.Context) {
	wait := c.resend
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var giveUp <-chan time.Time
	again := false
	for {
		if f, by := c.next(again); f != nil {
			if by(f) == nil && !again {
				wait = c.resend
			}
		}
		waiting, dropped := c.state()
		if dropped {
			if !waiting && giveUp != nil {
				return
			}
			if giveUp == nil {
				giveUp = time.After(dropAfter)
			}
		} else {
			giveUp = nil
		}
		again = false
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-giveUp:
			if _, dropped := c.state(); dropped {
				return
			}
		case <-c.wake:
		case <-timer.C:
			again = true
			wait = min(2*wait, resendMost)
		}
	}
}
