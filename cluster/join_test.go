package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// A node may be told to join an address where nobody is yet, a name, and itself.
func TestJoinLater(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	status := make(chan WaitStatus, 100)
	cfg := testConfig(t, 1, 2, addr)
	cfg.OnWaiting = func(s WaitStatus) { status <- s }
	second := start(t, cfg)
	got := make(chan error, 1)
	go func() { _, err := second.WaitView(within(t)); got <- err }()
	for s := range status { // until it says that nobody is there
		if len(s.Joined) != 1 || s.Missing != 1 || s.Expected != 2 {
			t.Fatalf("status %+v", s)
		}
		if len(s.Unreachable) == 1 {
			if s.Unreachable[0].Addr != addr || s.Unreachable[0].Err.Error() != "connection refused" {
				t.Errorf("unreachable %+v", s.Unreachable)
			}
			break
		}
	}
	cfg = testConfig(t, 0, 2, fmt.Sprintf("localhost:%d", port))
	cfg.BindPort = port
	first := start(t, cfg)
	waitViews(t, []*Node{first, second})
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestAddressesToJoin(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1": "10.0.0.1:7946", "10.0.0.1:7950": "10.0.0.1:7950", "node:7950": "node:7950",
		"::1": "[::1]:7946", "[::1]": "[::1]:7946", "[::1]:7950": "[::1]:7950",
	} {
		host, port, err := splitAddr(addr, DefaultPort)
		if got := net.JoinHostPort(host, fmt.Sprint(port)); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", addr, got, err, want)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestWrongKey(t *testing.T) {
	keys := map[string][2]string{
		"different":       {"a secret, long enough", "another, as long"},
		"only the first":  {"a secret, long enough", ""},
		"only the second": {"", "a secret, long enough"},
	}
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			told := make(chan WaitStatus, 100)
			cfg := testConfig(t, 0, 2)
			cfg.Key = []byte(key[0])
			cfg.OnWaiting = func(s WaitStatus) { told <- s }
			first := start(t, cfg)
			ctx, cancel := context.WithCancel(within(t))
			ended := make(chan struct{})
			go func() { defer close(ended); _, _ = first.WaitView(ctx) }()

			cfg = testConfig(t, 1, 2, first.Self().Addr)
			cfg.Key = []byte(key[1])
			_, err := start(t, cfg).WaitView(within(t))
			var mismatch *KeyMismatch
			if !errors.As(err, &mismatch) || mismatch.Addr != first.Self().Addr {
				t.Errorf("the second gets %v", err)
			}
			for s := range told {
				if len(s.Strangers) == 1 && s.Strangers[0] == "127.0.0.1" {
					break
				}
			}
			cancel()
			<-ended
		})
	}
}

func TestSameKey(t *testing.T) {
	a, b := testConfig(t, 0, 2), testConfig(t, 1, 2)
	a.Key, b.Key = []byte("a secret, long enough"), []byte("a secret, long enough")
	first := start(t, a)
	b.Join = []string{first.Self().Addr}
	waitViews(t, []*Node{first, start(t, b)})
}

func TestJoinTimeout(t *testing.T) {
	cfg := testConfig(t, 0, 3, "127.0.0.1:1")
	cfg.JoinTimeout = 2 * time.Second
	n := start(t, cfg)
	_, err := n.WaitView(within(t))
	var timeout *JoinTimeout
	if !errors.As(err, &timeout) {
		t.Fatal(err)
	}
	for _, want := range []string{
		`job "test" has 1 of 3 ranks after 2s, 2 missing; here: worker-0 (` + n.Self().Addr + ")",
		"could not join 127.0.0.1:1: connection refused", "firewalls",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message %q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("message %q has several lines", err)
	}
}

func TestPortTaken(t *testing.T) {
	n := start(t, testConfig(t, 0, 2))
	cfg := testConfig(t, 1, 2)
	_, port, _ := net.SplitHostPort(n.Self().Addr)
	_, _ = fmt.Sscan(port, &cfg.BindPort)
	_, err := Start(t.Context(), cfg)
	var bind *BindError
	if !errors.As(err, &bind) || bind.Addr != n.Self().Addr {
		t.Fatal(err)
	}
	if want := "cannot listen for gossip on " + n.Self().Addr + ": address already in use; choose another address with --bind (port 0 takes a free port)"; err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
}
