package cluster

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport carries memberlist's packets and streams, and lets nothing of a stranger through to it: streams begin with
// a handshake (handshake.go), are bounded in number (gate.go), length and time, and packets must be encrypted with the
// key. Refused connections are reported, because they prove that the process that had listened there is gone.
type transport struct {
	ctx       context.Context // of the node
	id        string
	label     string // of packets: the job
	secret    secret
	sealed    cipher.AEAD // nil without a gossip key
	maxStream int64       // bytes that a stream may bring
	log       *log.Logger
	gate      *gate
	strangers *strangers
	refused   func(addr string)

	tcp     *net.TCPListener
	udp     *net.UDPConn
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once
	running sync.WaitGroup

	mu       sync.Mutex
	refusals map[string]error // guarded by mu; by the addresses that were dialled, what the node there last refused this one for
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// listen opens the gossip sockets. Port 0 takes a port that is free for both TCP and UDP.
func listen(addr string, port int) (*net.TCPListener, *net.UDPConn, error) {
	tries := 1
	if port == 0 {
		tries = 10 // the port that is free for TCP may be taken for UDP
	}
	var err error
	for range tries {
		var tcp *net.TCPListener
		var udp *net.UDPConn
		if tcp, udp, err = listenOnce(net.ParseIP(addr), port); err == nil {
			return tcp, udp, nil
		}
	}
	return nil, nil, &BindError{Addr: net.JoinHostPort(addr, strconv.Itoa(port)), Err: err}
}

func listenOnce(ip net.IP, port int) (*net.TCPListener, *net.UDPConn, error) {
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: port})
	if err != nil {
		return nil, nil, errnoOf(err)
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: tcp.Addr().(*net.TCPAddr).Port})
	if err != nil {
		_ = tcp.Close()
		return nil, nil, fmt.Errorf("%w (UDP)", errnoOf(err))
	}
	for size := 2 << 20; size > 0 && udp.SetReadBuffer(size) != nil; size /= 2 { // bursts are common
	}
	return tcp, udp, nil
}

func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// newTransport owns the sockets. serve starts it.
func newTransport(ctx context.Context, tcp *net.TCPListener, udp *net.UDPConn, id, job string, gossipKey []byte, worldSize int, logger *log.Logger) *transport {
	t := &transport{
		ctx: ctx, id: id, label: job, secret: newSecret(gossipKey, job), maxStream: maxStreamBytes(worldSize), log: logger, gate: newGate(maxStreams()),
		tcp: tcp, udp: udp, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), done: make(chan struct{}),
		refusals: map[string]error{},
	}
	if len(gossipKey) > 0 {
		block, err := aes.NewCipher(gossipKey)
		if err == nil {
			t.sealed, err = cipher.NewGCM(block)
		}
		if err != nil {
			panic(fmt.Sprintf("cluster: %v", err)) // the key is a hash, so it has the right length
		}
	}
	return t
}

func (t *transport) serve() {
	t.running.Go(t.acceptStreams)
	t.running.Go(t.readPackets)
}

func (t *transport) port() int { return t.tcp.Addr().(*net.TCPAddr).Port }

func (t *transport) acceptStreams() {
	const pause = 50 * time.Millisecond // where the system has no descriptor, it may soon
	for {
		conn, err := t.tcp.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			t.log.Printf("accepting a connection: %v", err)
			select {
			case <-t.done:
				return
			case <-time.After(pause):
			}
			continue
		}
		if s, ok := t.gate.admit(conn, t.maxStream); ok {
			t.running.Go(func() { t.admit(s) })
		}
	}
}

// admit hands a connection to memberlist once its other end has shown the key.
func (t *transport) admit(s *stream) {
	_ = s.Conn.SetDeadline(s.since.Add(greetTimeout)) // a connection that cannot is broken, which the next call finds
	err := t.secret.admit(s.Conn, t.id)
	if err == nil && t.gate.greet(s) {
		select {
		case t.streams <- s:
			return
		case <-t.done:
		}
	}
	_ = s.Close()
	switch {
	case errors.Is(err, errOtherKey), errors.As(err, new(otherJobError)):
		t.strangers.note(s.host)
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.gate.countSilent()
	}
}

// readPackets passes the genuine packets on. Others cost one decryption each, and neither memory nor a line in a log.
func (t *transport) readPackets() {
	buf, scratch := make([]byte, 65536), make([]byte, 0, 65536)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil || n == 0:
			continue // such as an ICMP message about a packet that was sent
		case !t.genuine(buf[:n], scratch):
			t.strangers.note(from.Addr().Unmap())
			continue
		}
		p := &memberlist.Packet{Buf: bytes.Clone(buf[:n]), From: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr().Unmap(), from.Port())), Timestamp: time.Now()}
		select {
		case t.packets <- p:
		case <-t.done:
			return
		}
	}
}

// genuine says whether memberlist will be able to decrypt a packet: [label] version:1 nonce:12 ciphertext tag:16.
func (t *transport) genuine(packet, scratch []byte) bool {
	if t.sealed == nil {
		return true
	}
	body, label, err := memberlist.RemoveLabelHeaderFromPacket(packet)
	n := t.sealed.NonceSize()
	if err != nil || label != t.label || len(body) < 1+n+t.sealed.Overhead() {
		return false
	}
	_, err = t.sealed.Open(scratch, body[1:1+n], body[1+n:], []byte(label))
	return err == nil
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	if ip == "" {
		return t.tcp.Addr().(*net.TCPAddr).IP, t.port(), nil
	}
	parsed := net.ParseIP(ip)
	if parsed == nil {
		return nil, 0, fmt.Errorf("%q is not an IP address", ip)
	}
	if four := parsed.To4(); four != nil {
		parsed = four
	}
	return parsed, port, nil
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.udp.WriteToUDPAddrPort(b, to)
	return time.Now(), err
}

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	conn, _, err := t.dial(a.Addr, timeout)
	return conn, err
}

// dial connects to a node, and says which one answers there.
func (t *transport) dial(addr string, timeout time.Duration) (_ *stream, id string, err error) {
	now := time.Now()
	d := net.Dialer{Deadline: now.Add(timeout)}
	conn, err := d.DialContext(t.ctx, "tcp", addr)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			t.refused(addr)
		}
		return nil, "", err
	}
	stop := context.AfterFunc(t.ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(d.Deadline) // as above
	id, err = t.secret.greet(conn)
	t.remember(addr, err)
	if err != nil {
		_ = conn.Close()
		return nil, "", err
	}
	s := &stream{Conn: conn, end: now.Add(streamTimeout), left: t.maxStream}
	return s, id, s.SetDeadline(time.Time{})
}

// remember keeps that the node at an address has refused this one, for memberlist passes the text of an error on alone.
func (t *transport) remember(addr string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var job otherJobError
	switch {
	case errors.Is(err, errOtherKey):
		t.refusals[addr] = &KeyMismatch{Addr: addr, Err: err}
	case errors.As(err, &job):
		t.refusals[addr] = &JobMismatch{Addr: addr, Job: t.label, Theirs: job.job}
	default:
		delete(t.refusals, addr)
	}
}

// refusal is why the node at an address has refused this one, a *KeyMismatch or *JobMismatch, or nil.
func (t *transport) refusal(addr string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refusals[addr]
}

// Shutdown implements memberlist.Transport. It may be called more than once.
func (t *transport) Shutdown() error {
	t.once.Do(func() {
		close(t.done)
		_ = t.tcp.Close()
		_ = t.udp.Close()
		t.gate.shut()
		t.running.Wait()
	})
	return nil
}

// confirmDelays are the pauses before each try to confirm a death: a dying process's sockets close one after another.
var confirmDelays = []time.Duration{0, 50, 100, 200, 400, 800, 1500}

// confirmDead dials an address until it is refused, true, or answers every time or says nothing, false. It takes about
// 3 seconds at most, plus the time that a silent machine takes not to answer.
func confirmDead(ctx context.Context, addr string) bool {
	for _, d := range confirmDelays {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d * time.Millisecond):
		}
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return true
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	return false
}
