package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	joinInterval   = 500 * time.Millisecond
	resolveTimeout = 5 * time.Second
)

// joiner brings a node into the gossip: it tries the addresses again and again, because their nodes may start later,
// and a name may stand for more and more nodes as they start.
type joiner struct {
	ml       *memberlist.Memberlist
	known    func() []string         // the addresses of the nodes that gossip knows
	refusal  func(addr string) error // why the node that answered there last has refused this one
	self     string
	addrs    []string
	port     int // where an address has none
	resolved func(addr string, ips []string)
	report   func(addr string, err error)
	resolve  func(ctx context.Context, host string) ([]string, error)
}

// run returns when ctx ends.
func (j *joiner) run(ctx context.Context) {
	ticker := time.NewTicker(joinInterval)
	defer ticker.Stop()
	for {
		for _, a := range j.addrs {
			j.try(ctx, a)
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// try joins all nodes that an address stands for and that are not known yet.
func (j *joiner) try(ctx context.Context, addr string) {
	host, port, err := splitAddr(addr, j.port)
	if err != nil {
		j.report(addr, err)
		return
	}
	rctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	ips, err := j.resolve(rctx, host)
	cancel()
	if err != nil {
		j.report(addr, err)
		return
	}
	j.resolved(addr, ips)
	known := map[string]bool{j.self: true}
	for _, a := range j.known() {
		known[a] = true
	}
	var firstErr error
	joined := false
	for _, ip := range ips {
		target := net.JoinHostPort(ip, strconv.Itoa(port))
		if known[target] {
			joined = true
			continue
		}
		if _, err := j.ml.Join([]string{target}); err != nil {
			if ctx.Err() != nil {
				return
			}
			if err = joinError(err, j.refusal(target)); firstErr == nil || isRefusal(err) {
				firstErr = err
			}
			continue
		}
		joined = true
	}
	if joined && !isRefusal(firstErr) {
		firstErr = nil // some of a name's nodes may be old entries
	}
	j.report(addr, firstErr)
}

var errNoAnswer = errors.New("no answer")

// isRefusal says whether a node has refused this one, for which waiting helps nothing.
func isRefusal(err error) bool {
	return errors.As(err, new(*KeyMismatch)) || errors.As(err, new(*JobMismatch))
}

// joinError makes memberlist's error, which is text on several lines, short and typed.
func joinError(err, refusal error) error {
	if refusal != nil {
		return refusal
	}
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if strings.Contains(err.Error(), errno.Error()) {
			return errno
		}
	}
	switch {
	case strings.Contains(err.Error(), "i/o timeout"):
		return errNoAnswer
	case strings.Contains(err.Error(), errNoRingloom.Error()):
		return errNoRingloom
	}
	return errors.New(oneLine(err.Error()))
}

// splitAddr reads host or host:port, of an IPv6 address with or without brackets where no port follows.
func splitAddr(addr string, defaultPort int) (host string, port int, err error) {
	for _, bare := range []string{addr, strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")} {
		if net.ParseIP(bare) != nil {
			return bare, defaultPort, nil
		}
	}
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		var ae *net.AddrError
		if errors.As(err, &ae) && ae.Err == "missing port in address" {
			host, p, err = addr, strconv.Itoa(defaultPort), nil
		} else {
			return "", 0, fmt.Errorf("address %q: want host or host:port", addr)
		}
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("address %q: the port must be 1 to 65535", addr)
	}
	if host == "" {
		return "", 0, fmt.Errorf("address %q: the host is missing", addr)
	}
	return host, int(n), nil
}
