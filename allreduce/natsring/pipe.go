package natsring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"ringloom/allreduce"
)

// pipe is a connection to an embedded server: a minimal NATS client that moves frames between the socket and the pool's
// buffers without a copy or an allocation in between. The official client copies a message twice more and allocates it,
// which made a ring of two spend a quarter more processor time. This one knows nkeys and neither TLS nor several
// addresses.
type pipe struct {
	conn    net.Conn
	limit   int64
	timeout time.Duration // for one write
	down    func(error)
	pool    *allreduce.FramePool

	writeMu sync.Mutex // guards what follows and the order of writes
	head    []byte
	parts   [3][]byte
	buffers net.Buffers

	mu       sync.Mutex // guards what follows
	handlers []func([]byte)
	pongs    []chan<- struct{} // who waits for the answer to each PING under way; nil for a probe
	probes   int               // PINGs without an answer that nobody waits for

	pongDue chan struct{} // the server wants a PONG
	closed  chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

// maxProbes is how many unanswered probes mean that the other end is gone.
const maxProbes = 2

// openPipe does the handshake over conn, which it owns. down is called when the connection has broken.
func openPipe(ctx context.Context, conn net.Conn, server string, key *nkey, cfg Config, pool *allreduce.FramePool, down func(error)) (*pipe, error) {
	p := &pipe{
		conn: conn, timeout: maxProbes * cfg.PingInterval, down: down, pool: pool,
		pongDue: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	in := newParser(conn, pool)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := p.handshake(in, key, cfg); err != nil {
		_ = conn.Close()
		if errors.Is(err, ErrUnauthorized) {
			return nil, unauthorized(server)
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrConnect, server, err)
	}
	p.running.Go(func() { p.read(in) })
	p.running.Go(func() { p.tend(cfg.PingInterval) })
	return p, nil
}

// handshake reads INFO, sends CONNECT and PING, and waits for the PONG that says that the server agrees.
func (p *pipe) handshake(in *parser, key *nkey, cfg Config) error {
	if err := p.conn.SetDeadline(time.Now().Add(cfg.JoinTimeout)); err != nil {
		return err
	}
	first, err := in.next()
	if err != nil {
		return err
	}
	var info struct {
		MaxPayload int64  `json:"max_payload"`
		Headers    bool   `json:"headers"`
		Nonce      string `json:"nonce"`
	}
	if first.verb != verbInfo {
		return fmt.Errorf("%w: the server does not begin with INFO", errSyntax)
	}
	if err := json.Unmarshal(first.text, &info); err != nil {
		return fmt.Errorf("%w: INFO: %w", errSyntax, err)
	}
	p.limit = info.MaxPayload
	fields := map[string]any{
		"verbose": false, "pedantic": false, "name": connectionName(cfg), "lang": "go", "version": "1",
		"protocol": 1, "headers": info.Headers, "no_responders": info.Headers,
	}
	if err := key.answer(info.Nonce, fields); err != nil {
		return err
	}
	connect, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	if err := p.write("CONNECT ", string(connect), "\r\nPING\r\n"); err != nil {
		return err
	}
	for {
		e, err := in.next()
		switch {
		case err != nil:
			return err
		case e.verb == verbPong:
			return p.conn.SetDeadline(time.Time{})
		case e.verb == verbError && string(e.text) == "Authorization Violation":
			return ErrUnauthorized
		case e.verb == verbError && crowded(string(e.text)):
			return errCrowded
		case e.verb == verbError:
			return errors.New(string(e.text))
		}
	}
}

func (p *pipe) subscribe(subject string, handle func([]byte)) error {
	p.mu.Lock()
	p.handlers = append(p.handlers, handle)
	sid := len(p.handlers)
	p.mu.Unlock()
	return p.write("SUB ", subject, " ", strconv.Itoa(sid), "\r\n")
}

func (p *pipe) publish(subject, noneTo string, data []byte) error {
	p.writeMu.Lock()
	defer p.writeMu.Unlock()
	p.head = append(append(append(p.head[:0], "PUB "...), subject...), ' ')
	if noneTo != "" {
		p.head = append(append(p.head, noneTo...), ' ')
	}
	p.head = append(strconv.AppendInt(p.head, int64(len(data)), 10), "\r\n"...)
	p.parts = [3][]byte{p.head, data, lineEnd}
	p.buffers = p.parts[:]
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return err
	}
	_, err := p.buffers.WriteTo(p.conn)
	return err
}

var lineEnd = []byte("\r\n")

// write sends a protocol line.
func (p *pipe) write(words ...string) error {
	p.writeMu.Lock()
	defer p.writeMu.Unlock()
	return p.writeLocked(words...)
}

func (p *pipe) writeLocked(words ...string) error {
	p.head = p.head[:0]
	for _, w := range words {
		p.head = append(p.head, w...)
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return err
	}
	_, err := p.conn.Write(p.head)
	return err
}

// ping sends a PING whose answer closes pong, or none if it is a probe.
func (p *pipe) ping(pong chan<- struct{}) error {
	p.writeMu.Lock()
	defer p.writeMu.Unlock()
	p.mu.Lock()
	if pong == nil {
		if p.probes == maxProbes {
			p.mu.Unlock()
			return errStale
		}
		p.probes++
	}
	p.pongs = append(p.pongs, pong)
	p.mu.Unlock()
	return p.writeLocked("PING\r\n")
}

func (p *pipe) flush(ctx context.Context) error {
	pong := make(chan struct{})
	if err := p.ping(pong); err != nil {
		return err
	}
	select {
	case <-pong:
		return nil
	case <-p.closed:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) maxPayload() int64 { return p.limit }

func (p *pipe) close() {
	p.shut()
	p.running.Wait()
}

func (p *pipe) shut() {
	p.once.Do(func() {
		close(p.closed)
		_ = p.conn.Close()
	})
}

// broken ends the connection and reports why, unless it was closed on purpose.
func (p *pipe) broken(err error) {
	select {
	case <-p.closed:
		return
	default:
	}
	p.shut()
	if errors.Is(err, io.EOF) {
		err = errClosed
	}
	p.down(err)
}

// read passes messages on until the connection ends. It never writes: over an in-process connection the server may be
// waiting for it to read.
func (p *pipe) read(in *parser) {
	for {
		e, err := in.next()
		if err == nil && e.verb == verbError {
			err = fmt.Errorf("the server says %q", e.text)
		}
		if err != nil {
			p.broken(err)
			return
		}
		switch e.verb {
		case verbMessage:
			p.dispatch(e)
		case verbPing:
			select {
			case p.pongDue <- struct{}{}:
			default:
			}
		case verbPong:
			p.answered()
		}
	}
}

func (p *pipe) dispatch(e event) {
	p.mu.Lock()
	var handle func([]byte)
	if e.sid >= 1 && e.sid <= len(p.handlers) {
		handle = p.handlers[e.sid-1]
	}
	p.mu.Unlock()
	if handle == nil {
		p.pool.Put(e.frame)
		return
	}
	handle(e.frame)
}

func (p *pipe) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pongs) == 0 {
		return
	}
	if p.pongs[0] == nil {
		p.probes--
	} else {
		close(p.pongs[0])
	}
	p.pongs = append(p.pongs[:0], p.pongs[1:]...)
}

// tend answers the server's PINGs and probes it.
func (p *pipe) tend(interval time.Duration) {
	probe := time.NewTicker(interval)
	defer probe.Stop()
	for {
		var err error
		select {
		case <-p.pongDue:
			err = p.write("PONG\r\n")
		case <-probe.C:
			err = p.ping(nil)
		case <-p.closed:
			return
		}
		if err != nil {
			p.broken(err)
			return
		}
	}
}
