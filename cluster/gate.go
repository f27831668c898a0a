package cluster

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// greetTimeout is how long a connection may take to show the key. A node whose cores are all busy needs some time.
	greetTimeout = 3 * time.Second
	// streamTimeout ends a stream whatever comes: memberlist's own deadlines of 3 s are for single steps of it.
	streamTimeout = 10 * time.Second
)

// gate bounds the connections that others hold open at the gossip port: so many in all, and half of them from one
// address. Each has a moment to show the key. When it is full, the longest that has not is closed, of the address that
// has most of those: who only holds connections displaces his own, while a member is through in milliseconds. With so
// many streams of members that nothing can make room, a new one is turned away; members try again.
type gate struct {
	most int

	mu     sync.Mutex
	open   map[*stream]bool // guarded by mu
	closed bool             // guarded by mu
	// displaced and silent count the connections that were closed because others came, and because they did not show
	// the key in time. Guarded by mu.
	displaced, silent int
}

func newGate(most int) *gate { return &gate{most: most, open: map[*stream]bool{}} }

// admit takes a connection in, until its Close; false if there is no room and it was closed.
func (g *gate) admit(conn net.Conn, maxBytes int64) (*stream, bool) {
	now := time.Now()
	s := &stream{Conn: conn, gate: g, host: hostOf(conn.RemoteAddr()), since: now, end: now.Add(streamTimeout), left: maxBytes}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || !g.makeRoomLocked(s.host) {
		g.displaced++
		_ = conn.Close()
		return nil, false
	}
	g.open[s] = true
	return s, true
}

func (g *gate) makeRoomLocked(host netip.Addr) bool {
	here := 0
	for s := range g.open {
		if s.host == host {
			here++
		}
	}
	switch {
	case 2*(here+1) > g.most:
		return g.displaceLocked(host)
	case len(g.open) >= g.most:
		waiting := map[netip.Addr]int{}
		for s := range g.open {
			if !s.greeted {
				waiting[s.host]++
			}
		}
		var crowded netip.Addr
		for h, n := range waiting {
			if n > waiting[crowded] {
				crowded = h
			}
		}
		return g.displaceLocked(crowded)
	}
	return true
}

// displaceLocked closes the oldest connection from a host that has not shown the key.
func (g *gate) displaceLocked(host netip.Addr) bool {
	var strangers []*stream
	for s := range g.open {
		if s.host == host && !s.greeted {
			strangers = append(strangers, s)
		}
	}
	if len(strangers) == 0 {
		return false
	}
	oldest := slices.MinFunc(strangers, func(a, b *stream) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
	delete(g.open, oldest)
	g.displaced++
	_ = oldest.Conn.Close()
	return true
}

// greet marks a stream whose other end has shown the key; false if it has been displaced.
func (g *gate) greet(s *stream) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.greeted = true
	return g.open[s]
}

// turnedAway counts since the last call.
func (g *gate) turnedAway() (displaced, silent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	displaced, silent = g.displaced, g.silent
	g.displaced, g.silent = 0, 0
	return displaced, silent
}

func (g *gate) countSilent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silent++
}

// shut closes whatever is open, and lets nobody in any more.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for s := range g.open {
		_ = s.Conn.Close()
	}
	clear(g.open)
}

// stream is a connection of which only so much is read, and that ends in time.
type stream struct {
	net.Conn
	gate    *gate // nil for one that this node has dialled
	host    netip.Addr
	since   time.Time
	greeted bool // guarded by gate.mu
	end     time.Time
	left    int64 // bytes that may still come
}

var errTooLong = errors.New("the stream is longer than any that a member sends")

func (s *stream) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, errTooLong
	}
	n, err := s.Conn.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	return n, err
}

// SetDeadline sets it to the stream's end at the latest.
func (s *stream) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(s.end) {
		t = s.end
	}
	return s.Conn.SetDeadline(t)
}

func (s *stream) Close() error {
	if s.gate != nil {
		s.gate.mu.Lock()
		delete(s.gate.open, s)
		s.gate.mu.Unlock()
	}
	return s.Conn.Close()
}

// hostOf is the address without the port.
func hostOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
