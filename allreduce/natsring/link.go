package natsring

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"ringloom/allreduce"
)

// link sends to one neighbour: through shared memory where both are on one machine, else through NATS. Data is written
// to the socket by a goroutine, so that a peer that does not read cannot hold up the group. Control frames and small
// chunks are too small to fill a socket within the ring's credits: the group's goroutine writes them itself where
// nothing is queued, which saves a goroutine switch at every hop.
type link struct {
	transport *Transport
	peer      allreduce.Peer
	conn      connection
	subject   string // where the neighbour receives
	gone      string // where NATS answers that nobody is subscribed

	sealer *sealer // of frames to it; nil until both ends have greeted each other, and where frames are not sealed

	segment *segment // for frames to a neighbour on the same machine; nil if there is none
	bell    *bell    // of a neighbour that has mapped it

	queue    chan []byte
	queued   atomic.Int32  // frames that the goroutine has not written yet
	quit     chan struct{} // closed to make the goroutine stop after what is queued
	quitOnce sync.Once
	ended    chan struct{}
	lost     sync.Once
	failed   sync.Once
}

// smallBytes is the largest message that the group's goroutine writes itself.
const smallBytes = 2 << 10

// newLink makes a link without a connection.
func newLink(t *Transport, peer allreduce.Peer) *link {
	return &link{
		transport: t, peer: peer,
		subject: t.cfg.subject(t.cfg.rankOf(peer), 1-peer),
		gone:    t.cfg.subject(t.cfg.Ring.Rank, peer) + ".gone",
		queue:   make(chan []byte, t.cfg.Ring.WindowFrames()+8), quit: make(chan struct{}), ended: make(chan struct{}),
	}
}

// dial connects to the server of a neighbour.
func (t *Transport) dial(ctx context.Context, peer allreduce.Peer) (*link, error) {
	l := newLink(t, peer)
	conn, sameMachine, err := t.openPeer(ctx, t.cfg.rankOf(peer), l.lose)
	if err != nil {
		return nil, err
	}
	l.conn = conn
	go l.run()
	if err := checkPayload(conn, t.cfg); err != nil {
		l.close()
		return nil, err
	}
	if err := conn.subscribe(l.gone, func(frame []byte) { t.pool.Put(frame); l.lose(errNoSubscriber) }); err != nil {
		l.close()
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	if sameMachine && t.bell != nil {
		// Without it the frames go through NATS; Transport.Describe says so.
		l.segment, _ = newSegment(t.cfg.shape(peer))
	}
	return l, nil
}

// agree makes the keys of frames to and from the neighbour, which has drawn a number. It is called once, before the
// neighbour is told that it may send.
func (l *link) agree(theirs []byte) error {
	out, in, err := l.transport.edges[l.peer].frameCiphers(theirs)
	if err != nil || out == nil {
		return err
	}
	l.sealer = &sealer{aead: out}
	l.transport.openers[l.peer].Store(&opener{aead: in})
	return nil
}

// buffer is where the next frame to the neighbour is built.
func (l *link) buffer() []byte {
	if l.bell != nil {
		if b := l.segment.buffer(); b != nil {
			return b
		}
	}
	return l.transport.pool.Get()
}

// send hands a frame over; the ring's credits keep segment and queue from filling.
func (l *link) send(frame []byte) error {
	if l.bell != nil {
		if !l.segment.holds(frame) {
			l.transport.pool.Put(frame)
			return fmt.Errorf("%w: the memory shared with rank %d is full", allreduce.ErrSlowConsumer, l.transport.cfg.rankOf(l.peer))
		}
		if l.segment.commit(len(frame)) {
			l.bell.ring()
		}
		return nil
	}
	if len(frame) <= smallBytes && l.queued.Load() == 0 {
		l.publish(frame)
		return nil
	}
	l.queued.Add(1)
	select {
	case l.queue <- frame:
		return nil
	default:
		return fmt.Errorf("%w: the queue to rank %d is full", allreduce.ErrSlowConsumer, l.transport.cfg.rankOf(l.peer))
	}
}

// run publishes until quit, and then what is still queued.
func (l *link) run() {
	defer close(l.ended)
	for {
		select {
		case frame := <-l.queue:
			l.publish(frame)
			l.queued.Add(-1)
		case <-l.quit:
			for {
				select {
				case frame := <-l.queue:
					l.publish(frame)
				default:
					return
				}
			}
		}
	}
}

func (l *link) publish(frame []byte) {
	if l.sealer != nil {
		frame = l.sealer.seal(frame)
	}
	if err := l.conn.publish(l.subject, l.gone, frame); err != nil {
		l.lose(err)
	}
	l.transport.pool.Put(frame)
}

// lose reports that the neighbour cannot be reached any more, once, and after all that it had said before.
func (l *link) lose(err error) {
	l.lost.Do(func() { go l.transport.lastWords(l.peer, err) })
}

// fail reports the link as broken, once.
func (l *link) fail(err error) {
	l.failed.Do(func() { l.transport.report(l.peer, err) })
}

// drain waits until the neighbour's server has everything, or ctx ends.
func (l *link) drain(ctx context.Context) {
	l.quitOnce.Do(func() { close(l.quit) })
	select {
	case <-l.ended:
		// An error says that the neighbour's server is gone, which is no news at this point.
		_ = l.conn.flush(ctx)
	case <-ctx.Done():
	}
}

// close ends the connection at once, and with it a goroutine that hangs in publish.
func (l *link) close() {
	l.quitOnce.Do(func() { close(l.quit) })
	l.conn.close()
	<-l.ended
}
