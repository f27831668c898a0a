package natsring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"ringloom/allreduce"
)

// client is a connection to an external server through the official client, which knows its addresses, TLS and
// credentials.
type client struct {
	conn   *nats.Conn
	socket atomic.Pointer[net.Conn]
	dialer net.Dialer
	ctx    context.Context // of connecting
}

// openClient connects to cfg.URL. down is called when the connection has broken.
func openClient(ctx context.Context, cfg Config, down func(error)) (*client, error) {
	c := &client{ctx: ctx, dialer: net.Dialer{Timeout: cfg.JoinTimeout}}
	defer context.AfterFunc(ctx, func() { // a server that says nothing
		if socket := c.socket.Load(); socket != nil {
			_ = (*socket).Close()
		}
	})()
	conn, err := nats.Connect(cfg.URL,
		nats.Name(connectionName(cfg)),
		nats.Token(cfg.Token),
		nats.NoReconnect(),
		nats.Timeout(cfg.JoinTimeout),
		nats.PingInterval(cfg.PingInterval),
		nats.MaxPingsOutstanding(maxProbes),
		nats.FlusherTimeout(maxProbes*cfg.PingInterval), // bounds every write
		nats.WriteBufferSize(1),                         // a frame goes out when it is published, not at the next flush
		nats.SkipSubjectValidation(),
		nats.SetCustomDialer(c),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				err = fmt.Errorf("%w: %w", allreduce.ErrSlowConsumer, err)
			}
			down(err)
		}),
		nats.ClosedHandler(func(c *nats.Conn) {
			err := c.LastError()
			if err == nil {
				err = errClosed
			}
			down(err)
		}),
	)
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return nil, fmt.Errorf("%w by %s: give the user and password, or the token, that it asks for", ErrUnauthorized, Redact(cfg.URL))
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", ErrConnect, Redact(cfg.URL), redactError(err, cfg.URL, cfg.Token))
	}
	c.conn = conn
	return c, nil
}

// Dial implements nats.CustomDialer, to keep hold of the socket.
func (c *client) Dial(network, address string) (net.Conn, error) {
	conn, err := c.dialer.DialContext(c.ctx, network, address)
	if err == nil {
		c.socket.Store(&conn)
	}
	return conn, err
}

func (c *client) subscribe(subject string, handle func([]byte)) error {
	s, err := c.conn.Subscribe(subject, func(m *nats.Msg) { handle(m.Data) })
	if err != nil {
		return err
	}
	// The ring's credits bound what waits here.
	return s.SetPendingLimits(-1, -1)
}

func (c *client) publish(subject, noneTo string, data []byte) error {
	return c.conn.PublishRequest(subject, noneTo, data)
}

func (c *client) flush(ctx context.Context) error { return c.conn.FlushWithContext(ctx) }

func (c *client) maxPayload() int64 { return c.conn.MaxPayload() }

func (c *client) close() {
	if socket := c.socket.Load(); socket != nil {
		_ = (*socket).Close()
	}
	c.conn.Close()
}

func connectionName(cfg Config) string {
	return fmt.Sprintf("ringloom %s view %d rank %d", cfg.Ring.Job, cfg.Ring.View, cfg.Ring.Rank)
}

func unauthorized(server string) error {
	return fmt.Errorf("%w by %s; give all nodes the same key", ErrUnauthorized, server)
}
