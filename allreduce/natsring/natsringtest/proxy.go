package natsringtest

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy passes connections on to one server.
type Proxy struct {
	target   string
	faults   Faults
	listener net.Listener
	armed    atomic.Bool
	struck   atomic.Int64
	done     chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn
}

// Listen starts a proxy on a port of the loopback interface for a server's address.
func Listen(target string, f Faults) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, faults: f, listener: listener, done: make(chan struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is what clients are told instead of the server's address.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Arm lets faults happen from here on.
func (p *Proxy) Arm() { p.armed.Store(true) }

// Struck is how many faults have happened, delays among them.
func (p *Proxy) Struck() int { return int(p.struck.Load()) }

// Close ends all connections and returns when the proxy's goroutines have ended.
func (p *Proxy) Close() {
	close(p.done)
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for stream := uint64(0); ; stream++ {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		select {
		case <-p.done: // Close may have missed the two
			_, _ = client.Close(), server.Close()
			return
		default:
		}
		l := &tunnel{proxy: p, client: client, server: server, random: rand.New(rand.NewPCG(p.faults.Seed, 2*stream))}
		back := rand.New(rand.NewPCG(p.faults.Seed, 2*stream+1))
		p.running.Go(func() { l.forth(); l.end() })
		p.running.Go(func() { l.back(back); l.end() })
	}
}

// tunnel is one connection through the proxy.
type tunnel struct {
	proxy          *Proxy
	client, server net.Conn
	random         *rand.Rand
	held           *message // waits to be overtaken
	stalled        atomic.Bool
}

// end closes both sides, unless the connection is meant to hang.
func (l *tunnel) end() {
	if l.stalled.Load() {
		<-l.proxy.done
	}
	_, _ = l.client.Close(), l.server.Close()
}

// forth passes what the client says until a connection or the proxy ends.
func (l *tunnel) forth() {
	in := bufio.NewReader(l.client)
	for {
		m, err := readMessage(in)
		if err != nil {
			return
		}
		var f fate
		if m.published() && l.proxy.armed.Load() {
			var wait time.Duration
			if f, wait = l.proxy.faults.draw(l.random); f != pass || wait > 0 {
				l.proxy.struck.Add(1)
			}
			if !l.wait(wait) {
				return
			}
		}
		if err := l.mistreat(m, f); err != nil {
			return
		}
	}
}

func (l *tunnel) wait(d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.proxy.done:
		return false
	}
}

// mistreat passes a message on, or what is left of it. An error ends the connection.
func (l *tunnel) mistreat(m message, f fate) error {
	n := len(m.payload)
	switch f {
	case drop:
		return nil
	case duplicate:
		if err := l.write(m.bytes()); err != nil {
			return err
		}
	case reorder:
		if l.held == nil {
			l.held = &m
			return nil
		}
	case corrupt:
		if n > 0 {
			m.payload[l.random.IntN(n)] ^= 1 << l.random.IntN(8)
		}
	case truncate:
		if n > 0 {
			m = m.resized(l.random.IntN(n))
		}
	case raw:
		return l.write(damaged(m.bytes(), l.random))
	case cut:
		b := m.bytes()
		_ = l.write(b[:l.random.IntN(len(b))])
		return io.ErrUnexpectedEOF
	case stall:
		l.stalled.Store(true)
		return io.ErrNoProgress
	}
	if err := l.write(m.bytes()); err != nil {
		return err
	}
	if l.held != nil && m.published() {
		held := l.held
		l.held = nil
		return l.write(held.bytes())
	}
	return nil
}

func (l *tunnel) write(b []byte) error {
	_, err := l.server.Write(b)
	return err
}

// damaged replaces one byte by another.
func damaged(b []byte, random *rand.Rand) []byte {
	b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
	return b
}

// back passes what the server says, a piece at a time.
func (l *tunnel) back(random *rand.Rand) {
	piece := make([]byte, 4<<10)
	for {
		n, err := l.server.Read(piece)
		if err != nil {
			return
		}
		if p := l.proxy.faults.Raw; p > 0 && l.proxy.armed.Load() && random.Float64() < p {
			l.proxy.struck.Add(1)
			damaged(piece[:n], random)
		}
		if _, err := l.client.Write(piece[:n]); err != nil {
			return
		}
	}
}
