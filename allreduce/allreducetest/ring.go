package allreducetest

import (
	"errors"
	"sync"

	"ringloom/allreduce"
)

// errLinkDown is what a rank is told about a neighbour whose transport was killed or closed.
var errLinkDown = errors.New("in-memory link is down")

// Transport is one rank's end of an in-memory ring. It implements allreduce.Transport.
type Transport struct {
	rank  int
	links [2]*link // by allreduce.Peer: where Send goes
	pool  *allreduce.FramePool
	inbox chan allreduce.Delivery
	down  chan struct{}
	once  sync.Once
}

// link is one direction of a ring edge.
type link struct {
	to   *Transport
	from allreduce.Peer // how the receiver sees the sender
	wire *faultyWire    // nil when no fault is injected
}

// NewRing makes the transports of a ring, by rank. cfg gives the size of frames and window; its Rank is not looked at.
func NewRing(cfg allreduce.Config, faults Faults) []*Transport {
	pool := allreduce.NewFramePool(cfg.FrameBytes(), 4*cfg.Size*(cfg.WindowFrames()+4))
	ring := make([]*Transport, cfg.Size)
	for r := range ring {
		ring[r] = &Transport{
			rank: r, pool: pool, down: make(chan struct{}),
			// Data and credits of a window each, twice for repeated frames, goodbyes, aborts and link news.
			inbox: make(chan allreduce.Delivery, 4*cfg.WindowFrames()+16),
		}
	}
	for r, t := range ring {
		next, prev := ring[(r+1)%cfg.Size], ring[(r+cfg.Size-1)%cfg.Size]
		t.links[allreduce.Next] = &link{to: next, from: allreduce.Prev}
		t.links[allreduce.Prev] = &link{to: prev, from: allreduce.Next}
		if faults.any() && (faults.Rank < 0 || faults.Rank == r) {
			t.links[allreduce.Next].wire = newFaultyWire(t, t.links[allreduce.Next], faults, uint64(r))
		}
	}
	return ring
}

// Buffer returns an empty frame buffer.
func (t *Transport) Buffer() []byte { return t.pool.Get() }

// Release gives a buffer back.
func (t *Transport) Release(frame []byte) { t.pool.Put(frame) }

// Inbox is where deliveries arrive.
func (t *Transport) Inbox() <-chan allreduce.Delivery { return t.inbox }

// Send delivers the frame itself to the neighbour, without a copy.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error {
	l := t.links[to]
	if l.wire != nil {
		return l.wire.send(frame)
	}
	return l.deliver(frame)
}

// Close ends the transport and tells both neighbours that the link is down.
func (t *Transport) Close() error {
	t.Kill()
	return nil
}

// Kill takes the rank off the ring as the death of its process would: what it sends is refused, and the neighbours learn it.
func (t *Transport) Kill() {
	t.once.Do(func() {
		close(t.down)
		for _, l := range t.links {
			l.put(allreduce.Delivery{From: l.from, Err: errLinkDown})
		}
	})
}

func (t *Transport) isDown() bool {
	select {
	case <-t.down:
		return true
	default:
		return false
	}
}

func (l *link) deliver(frame []byte) error {
	sender := l.to.links[l.from].to
	if sender.isDown() || l.to.isDown() {
		return errLinkDown
	}
	l.put(allreduce.Delivery{From: l.from, Frame: frame})
	return nil
}

// put never waits: a rank that ignores its credits finds the queue full, and the receiver loses the link.
func (l *link) put(d allreduce.Delivery) {
	select {
	case l.to.inbox <- d:
	default:
		panic("allreducetest: a rank sent more than the window allows")
	}
}
