package cluster

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, with two additions: dialling ends with the node, and refused connections are reported,
// because they prove that the process that had listened there is gone.
type transport struct {
	*memberlist.NetTransport
	ctx     context.Context
	refused func(addr string)
}

// listen opens the gossip sockets. Port 0 takes a port that is free for both TCP and UDP.
func listen(ctx context.Context, addr string, port int, logger *log.Logger) (*transport, error) {
	tries := 1
	if port == 0 {
		tries = 10 // the port that is free for TCP may be taken for UDP
	}
	var err error
	for range tries {
		var nt *memberlist.NetTransport
		nt, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{BindAddrs: []string{addr}, BindPort: port, Logger: logger})
		if err == nil {
			return &transport{NetTransport: nt, ctx: ctx, refused: func(string) {}}, nil
		}
	}
	return nil, &BindError{Addr: net.JoinHostPort(addr, strconv.Itoa(port)), Err: bindCause(addr, port, err)}
}

// bindCause finds the system's error behind memberlist's, which keeps only its text.
func bindCause(addr string, port int, err error) error {
	hostPort := net.JoinHostPort(addr, strconv.Itoa(port))
	var errno syscall.Errno
	l, tcpErr := net.Listen("tcp", hostPort)
	if tcpErr == nil {
		_ = l.Close()
	} else if errors.As(tcpErr, &errno) {
		return errno
	}
	p, udpErr := net.ListenPacket("udp", hostPort)
	if udpErr == nil {
		_ = p.Close()
	} else if errors.As(udpErr, &errno) {
		return fmt.Errorf("%w (UDP)", errno)
	}
	return err
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(t.ctx, "tcp", a.Addr)
	if errors.Is(err, syscall.ECONNREFUSED) {
		t.refused(a.Addr)
	}
	return conn, err
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
