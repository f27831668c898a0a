package natsring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"ringloom/allreduce"
)

// Transport is one rank's end of the ring over NATS. It implements allreduce.Transport.
type Transport struct {
	cfg   Config
	pool  *allreduce.FramePool
	inbox chan allreduce.Delivery
	own   *nats.Conn // where everything for this rank arrives
	links [2]*link   // by allreduce.Peer
	done  chan struct{}
	once  sync.Once

	broken chan error // the first broken connection, for Join
}

var peers = [2]allreduce.Peer{allreduce.Prev, allreduce.Next}

// Join connects this rank with its neighbours and returns when both have answered. It ends early with ctx. Errors match one of
// the package's sentinels, or are the context's cause.
func Join(ctx context.Context, cfg Config) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.JoinTimeout, fmt.Errorf("%w within %v", ErrJoin, cfg.JoinTimeout))
	defer cancel()
	window := cfg.Ring.WindowFrames()
	t := &Transport{
		cfg: cfg, done: make(chan struct{}), broken: make(chan error, 1),
		pool: allreduce.NewFramePool(cfg.Ring.FrameBytes(), 4*window),
		// Room for data and credits of a whole window; what exceeds it waits in the subscription.
		inbox: make(chan allreduce.Delivery, 2*window),
	}
	if err := t.join(ctx); err != nil {
		t.shut()
		return nil, err
	}
	return t, nil
}

func (t *Transport) join(ctx context.Context) error {
	greeted := make(chan greeting, 8)
	if err := t.listen(greeted); err != nil {
		return err
	}
	for _, p := range peers {
		l, err := t.dial(p)
		if err != nil {
			return err
		}
		t.links[p] = l
	}
	return t.greet(ctx, greeted)
}

// listen opens the own connection and subscribes; the subscription stands at the server when it returns.
func (t *Transport) listen(greeted chan<- greeting) error {
	options := t.options(func(err error) {
		t.report(allreduce.Prev, fmt.Errorf("%w: own server: %w", allreduce.ErrTransport, err))
	})
	url := t.cfg.URL
	if t.cfg.Server != nil {
		options = append(options, nats.InProcessServer(t.cfg.Server.nats), nats.Token(t.cfg.Server.token))
	}
	own, err := connect(url, options)
	if err != nil {
		return err
	}
	t.own = own
	for _, p := range peers {
		subject := t.cfg.subject(t.cfg.Ring.Rank, p)
		frames, err := own.Subscribe(subject, func(m *nats.Msg) {
			t.put(allreduce.Delivery{From: p, Frame: m.Data})
		})
		if err == nil {
			// The ring's credits bound what waits here.
			err = frames.SetPendingLimits(-1, -1)
		}
		if err == nil {
			_, err = own.Subscribe(subject+".hello", func(m *nats.Msg) { t.hear(p, m, greeted) })
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnect, err)
		}
	}
	if err := own.FlushTimeout(t.cfg.JoinTimeout); err != nil {
		return fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return nil
}

// options are those that all connections share. down is called once when the connection has ended for good.
func (t *Transport) options(down func(error)) []nats.Option {
	return []nats.Option{
		nats.Name(fmt.Sprintf("ringloom %s view %d rank %d", t.cfg.Ring.Job, t.cfg.Ring.View, t.cfg.Ring.Rank)),
		nats.Token(t.cfg.Token),
		nats.NoReconnect(),
		nats.Timeout(t.cfg.JoinTimeout),
		nats.PingInterval(t.cfg.PingInterval),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(2 * t.cfg.PingInterval), // bounds every write
		nats.WriteBufferSize(1),                     // a frame goes out when it is published, not at the next flush
		nats.SkipSubjectValidation(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				down(fmt.Errorf("%w: %w", allreduce.ErrSlowConsumer, err))
			} else {
				down(err)
			}
		}),
		nats.ClosedHandler(func(c *nats.Conn) {
			err := c.LastError()
			if err == nil {
				err = nats.ErrConnectionClosed
			}
			down(err)
		}),
	}
}

func connect(url string, options []nats.Option) (*nats.Conn, error) {
	c, err := nats.Connect(url, options...)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("%w by %s; give all nodes the same token", ErrUnauthorized, url)
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrConnect, url, err)
}

// Buffer returns an empty frame buffer.
func (t *Transport) Buffer() []byte { return t.pool.Get() }

// Release gives a buffer back. Frames that NATS delivered fit the pool only when they were full chunks.
func (t *Transport) Release(frame []byte) { t.pool.Put(frame) }

// Inbox is where deliveries arrive.
func (t *Transport) Inbox() <-chan allreduce.Delivery { return t.inbox }

// Send queues a frame for a neighbour's server.
func (t *Transport) Send(to allreduce.Peer, frame []byte) error { return t.links[to].send(frame) }

// put delivers, and waits while the group is busy, until Close.
func (t *Transport) put(d allreduce.Delivery) {
	select {
	case t.inbox <- d:
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

// Close publishes what was sent, waiting a second at most for the neighbours' servers to have it, and ends the connections.
func (t *Transport) Close() error {
	t.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
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

const closeTimeout = time.Second

// shut ends whatever is open.
func (t *Transport) shut() {
	close(t.done)
	for _, l := range t.links {
		if l != nil {
			l.close()
		}
	}
	if t.own != nil {
		t.own.Close()
	}
}
