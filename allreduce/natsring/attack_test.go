package natsring_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/natsring"
)

// wiretap passes connections on to a server and keeps all that goes through, both ways.
type wiretap struct {
	listener net.Listener
	mu       sync.Mutex
	seen     bytes.Buffer
}

func tap(t *testing.T, target string) *wiretap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go w.pass(server, client)
			go w.pass(client, server)
		}
	}()
	return w
}

func (w *wiretap) pass(to, from net.Conn) {
	_, _ = io.Copy(io.MultiWriter(to, w), from)
	_, _ = to.Close(), from.Close()
}

func (w *wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.Write(b)
}

func (w *wiretap) text() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.seen.Bytes())
}

// Who can read the network reads no gradient, no secret and no reason of an end; without a secret he reads them all.
func TestASnifferReadsNothing(t *testing.T) {
	key := []byte("the job's key, which travels nowhere")
	for _, sealed := range []bool{true, false} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) {
			ring := ringConfig(2)
			var servers []*natsring.Server
			var addrs []string
			var taps []*wiretap
			for range 2 {
				s := startServer(t, func(c *natsring.ServerConfig) { c.Key = key })
				w := tap(t, address(s))
				servers, addrs, taps = append(servers, s), append(addrs, w.listener.Addr().String()), append(taps, w)
			}
			groups, errs := make([]*allreduce.Group, 2), make([]error, 2)
			var wg sync.WaitGroup
			for r := range groups {
				wg.Go(func() {
					own := ring
					own.Rank = r
					cfg := natsring.DefaultConfig(own)
					cfg.Server, cfg.Addrs, cfg.Key, cfg.SharedMemory = servers[r], addrs, key, false
					if sealed {
						share(&cfg)
					}
					groups[r], errs[r] = natsring.NewGroup(t.Context(), cfg)
				})
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil {
					t.Fatal(err)
				}
			}
			const n = 100_000
			gradient := math.Float32frombits(0x3f9d70a4)
			for r, err := range allreducetest.Run(groups, func(g *allreduce.Group) error {
				v := make([]float32, n)
				for i := range v {
					v[i] = gradient
				}
				return g.AllReduce(t.Context(), v)
			}) {
				if err != nil {
					t.Fatalf("rank %d: %v", r, err)
				}
			}
			allreducetest.CloseAll(groups)
			var run []byte
			for range 4 {
				run = binary.LittleEndian.AppendUint32(run, math.Float32bits(gradient))
			}
			secret := []byte("terms")
			found, passed := 0, 0
			for _, w := range taps {
				text := w.text()
				passed += len(text)
				if bytes.Contains(text, run) {
					found++
				}
				if bytes.Contains(text, secret) {
					found++
				}
				if bytes.Contains(text, key) || bytes.Contains(text, []byte("auth_token")) {
					t.Error("a secret went over the network")
				}
			}
			if passed < 4*n {
				t.Fatalf("only %d bytes went through the taps", passed)
			}
			if sealed && found > 0 {
				t.Error("a sniffer reads gradients or greetings")
			}
			if !sealed && found != 4 {
				t.Errorf("the test sees %d of 4 plain texts where nothing is sealed", found)
			}
		})
	}
}

// At a server that others use too, they can publish to a rank what they like, copies of its neighbours' messages among
// it: the sums stay right, and nothing ends.
func TestForgedAndRepeatedMessagesDoNoHarm(t *testing.T) {
	url := "nats://" + address(startServer(t, nil))
	stranger, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	var mu sync.Mutex
	forged := 0
	if _, err := stranger.Subscribe("ringloom.>", func(m *nats.Msg) {
		if m.Header.Get("Copy") != "" || strings.HasSuffix(m.Subject, ".gone") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if forged++; forged > 2000 {
			return
		}
		damaged := bytes.Clone(m.Data)
		damaged[len(damaged)/2] ^= 1
		for _, data := range [][]byte{m.Data, damaged, []byte("RL\x04\x01"), {}, make([]byte, 88)} {
			_ = stranger.PublishMsg(&nats.Msg{Subject: m.Subject, Data: data, Header: nats.Header{"Copy": {"1"}}})
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Flush(); err != nil {
		t.Fatal(err)
	}
	ring := ringConfig(3)
	ring.ChunkBytes, ring.WindowBytes = 4<<10, 64<<10
	exercise(t, joinAll(t, ring, url, share))
	mu.Lock()
	defer mu.Unlock()
	if forged == 0 {
		t.Error("nothing was forged")
	}
}

// Who has not the key may connect to a rank's server, and is shown out.
func TestAStrangerCannotPublish(t *testing.T) {
	s := startServer(t, func(c *natsring.ServerConfig) { c.Key = []byte("the job's key of many bytes") })
	for name, option := range map[string]nats.Option{
		"nothing": nats.Name("x"), "the key as a token": nats.Token("the job's key of many bytes"), "a password": nats.UserInfo("a", "b"),
	} {
		conn, err := nats.Connect("nats://"+address(s), option)
		if err == nil {
			conn.Close()
			t.Errorf("%s: lets a stranger in", name)
		}
	}
}

func TestRanksOfDifferentKeysDoNotMeet(t *testing.T) {
	servers := []*natsring.Server{startServer(t, nil), startServer(t, nil)}
	addrs := []string{address(servers[0]), address(servers[1])}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for r := range errs {
		wg.Go(func() {
			ring := ringConfig(2)
			ring.Rank = r
			cfg := natsring.DefaultConfig(ring)
			cfg.Server, cfg.Addrs = servers[r], addrs
			cfg.Secret = func(int) ([]byte, error) { return bytes.Repeat([]byte{byte(r)}, 32), nil }
			_, errs[r] = natsring.Join(t.Context(), cfg)
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "the same key") {
			t.Errorf("rank %d: %v", r, err)
		}
	}
}
