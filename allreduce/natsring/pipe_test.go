package natsring

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/allreduce"
)

func pipeConfig() Config {
	ring := allreduce.DefaultConfig()
	ring.Job, ring.WorldSize = "test", 2
	return DefaultConfig(ring)
}

// fakeServer shakes hands as a NATS server does and then hands every line to answer, which returns what to send.
func fakeServer(conn net.Conn, answer func(line string) string) {
	if _, err := io.WriteString(conn, "INFO {\"max_payload\":1000,\"headers\":true}\r\n"); err != nil {
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if reply := answer(lines.Text()); reply != "" {
			if _, err := io.WriteString(conn, reply); err != nil {
				return
			}
		}
	}
}

func TestASilentServerIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		pings := 0
		go fakeServer(there, func(line string) string {
			if line == "PING" {
				if pings++; pings == 1 {
					return "PONG\r\n"
				}
			}
			return ""
		})
		cfg := pipeConfig()
		start := time.Now()
		down := make(chan error, 1)
		p, err := openPipe(t.Context(), here, "fake", nil, cfg, allreduce.NewFramePool(64, 1), func(err error) { down <- err })
		if err != nil {
			t.Fatal(err)
		}
		if err := <-down; !errors.Is(err, errStale) {
			t.Errorf("got %v", err)
		}
		if after := time.Since(start); after != (maxProbes+1)*cfg.PingInterval { // fake time
			t.Errorf("after %v", after)
		}
		p.close()
		_ = there.Close()
	})
}

func TestAServerThatPingsIsAnsweredAndKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		answered := make(chan struct{}, 1)
		go fakeServer(there, func(line string) string {
			switch {
			case line == "PING":
				return "PONG\r\n"
			case line == "PONG":
				answered <- struct{}{}
			case strings.HasPrefix(line, "SUB"):
				return "PING\r\n"
			}
			return ""
		})
		p, err := openPipe(t.Context(), here, "fake", nil, pipeConfig(), allreduce.NewFramePool(64, 1), func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		if err := p.subscribe("a", func([]byte) {}); err != nil {
			t.Fatal(err)
		}
		<-answered
		if err := p.flush(t.Context()); err != nil {
			t.Error(err)
		}
		p.close()
		_ = there.Close()
	})
}

func TestHandshakeRefusesWhatIsNotNATS(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		want error
	}{
		"http":         {"HTTP/1.1 400 Bad Request\r\n", errSyntax},
		"not info":     {"PING\r\n", errSyntax},
		"bad info":     {"INFO nothing\r\n", errSyntax},
		"closed":       {"", io.EOF},
		"unauthorised": {"INFO {}\r\n-ERR 'Authorization Violation'\r\n", ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				_, _ = io.WriteString(there, c.says)
				if c.want == ErrUnauthorized {
					_, _ = io.Copy(io.Discard, there)
				}
				_ = there.Close()
			}()
			_, err := openPipe(t.Context(), here, "fake", nil, pipeConfig(), allreduce.NewFramePool(64, 1), func(error) {})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			_ = there.Close()
		})
	}
}

func TestHandshakeHeedsTheContext(t *testing.T) {
	here, there := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openPipe(ctx, here, "mute", nil, pipeConfig(), allreduce.NewFramePool(64, 1), func(error) {}); !errors.Is(err, ErrConnect) {
		t.Errorf("got %v", err)
	}
	_ = there.Close()
}
