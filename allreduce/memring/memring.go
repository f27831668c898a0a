package memring

import (
	"errors"
	"sync"

	"ringloom/allreduce"
)

// ErrLinkDown is what a rank is told about a neighbour whose transport was killed or closed.
var ErrLinkDown = errors.New("in-memory link is down")

// Transport is one rank's end of an in-memory ring. It implements allreduce.Transport.
type Transport struct {
	links [2]link // by allreduce.Peer: where Send goes
	pool  *allreduce.FramePool
	inbox chan allreduce.Delivery
	down  chan struct{}
	once  sync.Once
}

// link is one direction of a ring edge.
type link struct {
	to   *Transport
	from allreduce.Peer // how the receiver sees the sender
}

// New makes the transports of one ring, by rank. cfg gives the sizes of frames and window; its Rank is ignored.
func New(cfg allreduce.Config) []*Transport {
	pool := allreduce.NewFramePool(cfg.FrameBytes(), 4*cfg.WorldSize*(cfg.WindowFrames()+4))
	ring := make([]*Transport, cfg.WorldSize)
	for r := range ring {
		ring[r] = &Transport{
			pool: pool, down: make(chan struct{}),
			// Data and credits of a window each, twice for repeated frames, goodbyes, aborts and link news.
			inbox: make(chan allreduce.Delivery, 4*cfg.WindowFrames()+16),
		}
	}
	for r, t := range ring {
		t.links[allreduce.Next] = link{to: ring[(r+1)%cfg.WorldSize], from: allreduce.Prev}
		t.links[allreduce.Prev] = link{to: ring[(r+cfg.WorldSize-1)%cfg.WorldSize], from: allreduce.Next}
	}
	return ring
}

// Groups makes one group per rank, over as many rings as cfg says.
func Groups(cfg allreduce.Config) ([]*allreduce.Group, error) {
	transports := make([][]allreduce.Transport, cfg.WorldSize)
	for range cfg.Rings {
		for r, t := range New(cfg) {
			transports[r] = append(transports[r], t)
		}
	}
	groups := make([]*allreduce.Group, cfg.WorldSize)
	for r := range groups {
		cfg.Rank = r
		var err error
		if groups[r], err = allreduce.New(cfg, transports[r]...); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// Describe says how frames travel.
func (t *Transport) Describe() string { return "memory" }

// Buffer returns an empty frame buffer.
func (t *Transport) Buffer(allreduce.Peer) []byte { return t.pool.Get() }

// Polls is false: everything comes through Inbox.
func (t *Transport) Polls() bool { return false }

// Poll finds nothing: everything comes through Inbox.
func (t *Transport) Poll(bool) (allreduce.Delivery, bool) { return allreduce.Delivery{}, false }

// Release gives a buffer back.
func (t *Transport) Release(frame []byte) { t.pool.Put(frame) }

// Inbox is where deliveries arrive.
func (t *Transport) Inbox() <-chan allreduce.Delivery { return t.inbox }

// Send delivers the frame itself to the neighbour, without a copy.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error {
	l := t.links[to]
	if t.isDown() || l.to.isDown() {
		return ErrLinkDown
	}
	l.put(allreduce.Delivery{From: l.from, Frame: frame})
	return nil
}

// Close ends the transport and tells both neighbours that the link is down.
func (t *Transport) Close() error {
	t.Kill()
	return nil
}

// Kill takes the rank off the ring as the death of its process would: what it sends is refused, and the neighbours
// learn it.
func (t *Transport) Kill() {
	t.once.Do(func() {
		close(t.down)
		for _, l := range t.links {
			l.put(allreduce.Delivery{From: l.from, Err: ErrLinkDown})
		}
	})
}

// Down is closed when the transport has ended.
func (t *Transport) Down() <-chan struct{} { return t.down }

func (t *Transport) isDown() bool {
	select {
	case <-t.down:
		return true
	default:
		return false
	}
}

// put never waits: a rank that ignores its credits finds the queue full, which is a mistake of this program.
func (l link) put(d allreduce.Delivery) {
	select {
	case l.to.inbox <- d:
	default:
		panic("memring: a rank sent more than the window allows")
	}
}
