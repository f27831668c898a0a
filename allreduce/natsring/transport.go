package natsring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"ringloom/allreduce"
)

// Transport is one rank's end of the ring over NATS. It implements allreduce.Transport.
type Transport struct {
	cfg   Config
	pool  *allreduce.FramePool
	inbox chan allreduce.Delivery
	own   connection // where everything for this rank arrives
	links [2]*link   // by allreduce.Peer
	// incoming is the memory in which a neighbour builds its frames, nil where they come through NATS.
	incoming [2]atomic.Pointer[segment]
	edges    [2]edge                   // by allreduce.Peer
	openers  [2]atomic.Pointer[opener] // of sealed frames, once the neighbour has greeted
	foreign  atomic.Uint64             // messages that no neighbour had sealed and that were left out
	greeted  chan heard                // what neighbours say beside frames, in order, and their ends
	bell     *bell                     // wakes this rank; nil without shared memory
	sleepers sync.WaitGroup
	done     chan struct{}
	once     sync.Once

	broken chan error // the first broken connection, for Join
}

var peers = [2]allreduce.Peer{allreduce.Prev, allreduce.Next}

// Join connects this rank with its neighbours, once for each of cfg.Ring.Rings, and returns when all have answered. It
// ends early with ctx. Errors match one of the package's sentinels or allreduce.ErrMismatch, or are the context's
// cause.
func Join(ctx context.Context, cfg Config) ([]*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make([]*Transport, cfg.Ring.Rings)
	var failed sync.Once
	var failure error
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			own := cfg
			own.ring = i
			t, err := joinOne(ctx, own)
			if err != nil {
				failed.Do(func() { failure = err })
				cancel(err) // the other rings need not wait for anybody
			}
			all[i] = t
		})
	}
	wg.Wait()
	if failure == nil {
		return all, nil
	}
	for _, t := range all {
		if t != nil {
			t.shut()
		}
	}
	return nil, failure
}

// NewGroup is Join, and a group over the transports.
func NewGroup(ctx context.Context, cfg Config) (*allreduce.Group, error) {
	joined, err := Join(ctx, cfg)
	if err != nil {
		return nil, err
	}
	transports := make([]allreduce.Transport, len(joined))
	for i, t := range joined {
		transports[i] = t
	}
	return allreduce.New(cfg.Ring, transports...)
}

func joinOne(outer context.Context, cfg Config) (*Transport, error) {
	ctx, cancel := context.WithTimeoutCause(outer, cfg.JoinTimeout, fmt.Errorf("%w within %v", ErrJoin, cfg.JoinTimeout))
	defer cancel()
	window := cfg.Ring.WindowFrames()
	t := &Transport{
		cfg: cfg, done: make(chan struct{}), broken: make(chan error, 1),
		pool: allreduce.NewFramePool(cfg.bufferBytes(), 4*window),
		// Room for data and credits of a whole window; what exceeds it waits in the server.
		inbox:   make(chan allreduce.Delivery, 2*window),
		greeted: make(chan heard, 8),
	}
	if err := t.join(ctx); err != nil {
		if outer.Err() == nil { // otherwise whoever ended it tells the others
			t.refuse(err)
		}
		t.shut()
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w (%w)", cause, err)
		}
		return nil, err
	}
	return t, nil
}

func (t *Transport) join(ctx context.Context) (err error) {
	for _, p := range peers {
		if t.edges[p], err = newEdge(t.cfg, p); err != nil {
			return err
		}
	}
	if t.cfg.SharedMemory && t.cfg.Server != nil {
		// Without it frames go through NATS; Describe says so.
		if t.bell, _ = newBell(); t.bell != nil {
			t.sleepers.Go(func() { t.bell.listen(func() { t.put(allreduce.Delivery{}) }) })
		}
	}
	if err := t.listen(ctx); err != nil {
		return err
	}
	var failure error
	for _, p := range peers { // both in any case, so that each can be told of a failure with the other
		l, err := t.dial(ctx, p)
		if err == nil {
			t.links[p] = l
		} else if failure == nil {
			failure = fmt.Errorf("rank %d: %w", t.cfg.rankOf(p), err)
		}
	}
	if failure != nil {
		return failure
	}
	return t.greet(ctx)
}

// listen opens the own connection and subscribes; the subscription stands at the server when it returns.
func (t *Transport) listen(ctx context.Context) error {
	own, err := t.openOwn(ctx)
	if err != nil {
		return err
	}
	t.own = own
	if err := checkPayload(own, t.cfg); err != nil {
		return fmt.Errorf("this rank's server: %w", err)
	}
	for _, p := range peers {
		subject := t.cfg.subject(t.cfg.Ring.Rank, p)
		err := own.subscribe(subject, func(message []byte) { t.arrive(p, message) })
		if err == nil {
			err = own.subscribe(subject+".hello", func(frame []byte) { t.hear(p, frame) })
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnect, err)
		}
	}
	if err := own.flush(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return nil
}

// openOwn connects to the own server, without a socket if it is embedded.
func (t *Transport) openOwn(ctx context.Context) (c connection, err error) {
	down := func(err error) {
		if errors.Is(err, errClosed) || errors.Is(err, io.EOF) {
			err = errCutOff
		}
		t.report(allreduce.Prev, fmt.Errorf("%w: own connection: %w", allreduce.ErrTransport, err))
	}
	if t.cfg.Server == nil {
		return openClient(ctx, t.cfg, down)
	}
	err = whileCrowded(ctx, func() error {
		conn, err := t.cfg.Server.nats.InProcessConn()
		if err != nil {
			return fmt.Errorf("%w: own server: %w", ErrConnect, err)
		}
		c, err = openPipe(ctx, conn, "own server", t.cfg.Server.key, t.cfg, t.pool, down)
		return err
	})
	return c, err
}

// openPeer connects to the server where a neighbour receives. It is on the same machine if it has this end's address.
func (t *Transport) openPeer(ctx context.Context, rank int, down func(error)) (c connection, sameMachine bool, err error) {
	if t.cfg.Server == nil {
		c, err = openClient(ctx, t.cfg, down)
		return c, false, err
	}
	key, err := newNKey(t.cfg.Key)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	err = whileCrowded(ctx, func() error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", t.cfg.Addrs[rank])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnect, err)
		}
		here, isTCP := conn.LocalAddr().(*net.TCPAddr)
		there, wasTCP := conn.RemoteAddr().(*net.TCPAddr)
		sameMachine = isTCP && wasTCP && here.IP.Equal(there.IP)
		c, err = openPipe(ctx, conn, t.cfg.Addrs[rank], key, t.cfg, t.pool, down)
		return err
	})
	return c, sameMachine, err
}

// Buffer returns where the next frame to a neighbour is to be built.
func (t *Transport) Buffer(to allreduce.Peer) []byte { return t.links[to].buffer() }

// Release gives a delivered frame back.
func (t *Transport) Release(frame []byte) {
	for p := range t.incoming {
		if s := t.incoming[p].Load(); s.holds(frame) {
			s.free()
			return
		}
	}
	t.pool.Put(frame)
}

// Polls says whether a neighbour builds its frames in memory that this rank has mapped.
func (t *Transport) Polls() bool {
	return t.incoming[allreduce.Prev].Load() != nil || t.incoming[allreduce.Next].Load() != nil
}

// Poll returns the next frame in shared memory. With sleep, if there is none, the next one is followed by a wake-up.
func (t *Transport) Poll(sleep bool) (allreduce.Delivery, bool) {
	for _, from := range peers {
		s := t.incoming[from].Load()
		if s == nil {
			continue
		}
		frame, err := s.take()
		if frame == nil && err == nil && sleep {
			s.sleep()
			if frame, err = s.take(); frame != nil {
				s.awake()
			}
		}
		if frame != nil || err != nil {
			return allreduce.Delivery{From: from, Frame: frame, Err: err}, true
		}
	}
	return allreduce.Delivery{}, false
}

// Describe says how data travels, for people.
func (t *Transport) Describe() string {
	toNext, fromPrev := t.links[allreduce.Next].bell != nil, t.incoming[allreduce.Prev].Load() != nil
	switch {
	case toNext && fromPrev:
		return "shared memory beside NATS"
	case toNext:
		return "NATS from the previous rank, shared memory to the next"
	case fromPrev:
		return "shared memory from the previous rank, NATS to the next"
	}
	if t.cfg.Secret == nil {
		return "NATS in clear text"
	}
	return "NATS sealed with AES-256-GCM"
}

// Inbox is where deliveries arrive.
func (t *Transport) Inbox() <-chan allreduce.Delivery { return t.inbox }

// Send queues a frame for a neighbour's server.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error { return t.links[to].send(frame) }

// Seals says whether frames to a neighbour are sealed: those that leave the machine's memory.
func (t *Transport) Seals(to allreduce.Peer) bool {
	l := t.links[to]
	return l.sealer != nil && l.bell == nil
}

// arrive delivers what came through NATS, opened. At an embedded server, where only the job can send, what does not open
// was damaged, and ends the ring; at an external one anybody may have sent it, and it is left out.
func (t *Transport) arrive(from allreduce.Peer, message []byte) {
	if t.cfg.Secret == nil {
		t.put(allreduce.Delivery{From: from, Frame: message})
		return
	}
	frame, err := []byte(nil), errUnsealed // before the greetings there is nothing to send
	if o := t.openers[from].Load(); o != nil {
		frame, err = o.open(message)
	}
	if err == nil {
		t.put(allreduce.Delivery{From: from, Frame: frame, Sealed: true})
		return
	}
	t.pool.Put(message)
	if t.cfg.URL != "" && isForeign(err) {
		t.foreign.Add(1)
		return
	}
	if n := t.foreign.Load(); n > 0 {
		err = fmt.Errorf("%w; %d messages that were not from there were left out", err, n)
	}
	t.put(allreduce.Delivery{From: from, Err: err})
}

// put delivers, and waits while the group is busy, until Close.
func (t *Transport) put(d allreduce.Delivery) {
	select {
	case t.inbox <- d:
	case <-t.done:
	}
}

// lastWords passes the end of a neighbour on. That it is gone is heard on the connection to its server, and why it left
// on that to the own one: who leaves waits until his last words are there, so what the own server has by now is heard
// first.
func (t *Transport) lastWords(of allreduce.Peer, end error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.cfg.CloseTimeout)
	defer cancel()
	_ = t.own.flush(ctx) // an own connection that is broken is reported by itself
	select {
	case t.greeted <- heard{from: of, end: end}:
	case <-t.done:
	}
}

// report says that a connection is broken, to Join if it still runs and to the group. It does not wait: NATS calls it.
func (t *Transport) report(from allreduce.Peer, err error) {
	select {
	case t.broken <- fmt.Errorf("rank %d: %w", t.cfg.rankOf(from), err):
	default:
	}
	go t.put(allreduce.Delivery{From: from, Err: err})
}

// Close publishes what was sent, waiting Config.CloseTimeout at most for the neighbours' servers to have it, and ends the
// connections.
func (t *Transport) Close() error {
	t.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), t.cfg.CloseTimeout)
		defer cancel()
		var wg sync.WaitGroup
		for _, l := range t.links {
			wg.Go(func() { l.drain(ctx) })
		}
		wg.Wait()
		t.shut()
	})
	return nil
}

// shut ends whatever is open.
func (t *Transport) shut() {
	close(t.done)
	for _, l := range t.links {
		if l != nil {
			l.close()
		}
	}
	if t.own != nil {
		t.own.close()
	}
	t.bell.close()
	t.sleepers.Wait()
	for _, p := range peers { // unmapping what was mapped cannot fail
		if l := t.links[p]; l != nil {
			l.bell.close()
			_ = l.segment.close()
		}
		_ = t.incoming[p].Swap(nil).close()
	}
}
