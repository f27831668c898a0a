package natsring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats.go"

	"ringloom/allreduce"
)

// errNoSubscriber is the cause when a neighbour's process is there and its rank is not.
var errNoSubscriber = errors.New("nobody is subscribed for it any more")

// link publishes to one neighbour. Its goroutine does the writing, so that a peer that does not read cannot hold up the group.
type link struct {
	transport *Transport
	peer      allreduce.Peer
	conn      *nats.Conn
	socket    net.Conn // under conn; closing it frees a goroutine that hangs in a write
	subject   string   // where the neighbour receives
	gone      string   // where NATS answers that nobody is subscribed
	queue     chan []byte
	quit      chan struct{} // closed to make the goroutine stop after what is queued
	quitOnce  sync.Once
	ended     chan struct{}
	failed    sync.Once
}

// dial connects to the server of a neighbour.
func (t *Transport) dial(peer allreduce.Peer) (*link, error) {
	window := t.cfg.Ring.WindowFrames()
	l := &link{
		transport: t, peer: peer,
		subject: t.cfg.subject(t.cfg.rankOf(peer), 1-peer),
		gone:    t.cfg.subject(t.cfg.Ring.Rank, peer) + ".gone",
		queue:   make(chan []byte, window+8), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	url := t.cfg.serverOf(t.cfg.rankOf(peer))
	conn, err := connect(url, append(t.options(l.fail), nats.SetCustomDialer(l)))
	if err != nil {
		return nil, fmt.Errorf("rank %d: %w", t.cfg.rankOf(peer), err)
	}
	l.conn = conn
	go l.run()
	if limit := conn.MaxPayload(); limit < int64(t.cfg.Ring.FrameBytes()) {
		l.close()
		return nil, fmt.Errorf("%w: %s has max_payload %d, a frame has %d bytes; lower the chunk size or raise max_payload",
			ErrMaxPayload, url, limit, t.cfg.Ring.FrameBytes())
	}
	if _, err := conn.Subscribe(l.gone, func(*nats.Msg) { l.fail(errNoSubscriber) }); err != nil {
		l.close()
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return l, nil
}

// Dial implements nats.CustomDialer, to keep hold of the socket.
func (l *link) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: l.transport.cfg.JoinTimeout}
	c, err := dialer.Dial(network, address)
	l.socket = c
	return c, err
}

// send queues a frame; the ring's credits keep the queue from filling.
func (l *link) send(frame []byte) error {
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
	if err := l.conn.PublishRequest(l.subject, l.gone, frame); err != nil {
		l.fail(err)
	}
	l.transport.pool.Put(frame)
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
		_ = l.conn.FlushWithContext(ctx)
	case <-ctx.Done():
	}
}

// close ends the connection at once.
func (l *link) close() {
	l.quitOnce.Do(func() { close(l.quit) })
	if l.socket != nil {
		_ = l.socket.Close()
	}
	<-l.ended
	l.conn.Close()
}
