package natsring_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/natsring"
	"ringloom/allreduce/natsring/natsringtest"
)

func ringConfig(size int) allreduce.Config {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize = "test", 3, size
	return cfg
}

func startServer(t testing.TB, change func(*natsring.ServerConfig)) *natsring.Server {
	t.Helper()
	cfg := natsring.DefaultServerConfig()
	cfg.Host = "127.0.0.1"
	if change != nil {
		change(&cfg)
	}
	s, err := natsring.StartServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func address(s *natsring.Server) string { return fmt.Sprintf("127.0.0.1:%d", s.Port()) }

// cluster is a ring over NATS in one process.
type cluster struct {
	servers []*natsring.Server
	groups  []*allreduce.Group
}

// joinAll joins every rank at once. With url they share that server, else each has its own.
func joinAll(t testing.TB, ring allreduce.Config, url string, change ...func(*natsring.Config)) *cluster {
	t.Helper()
	c := &cluster{groups: make([]*allreduce.Group, ring.WorldSize)}
	var addrs []string
	if url == "" {
		for range ring.WorldSize {
			s := startServer(t, nil)
			c.servers, addrs = append(c.servers, s), append(addrs, address(s))
		}
	}
	errs := make([]error, ring.WorldSize)
	var wg sync.WaitGroup
	for r := range ring.WorldSize {
		wg.Go(func() {
			own := ring
			own.Rank = r
			cfg := natsring.DefaultConfig(own)
			if url == "" {
				cfg.Server, cfg.Addrs = c.servers[r], addrs
			} else {
				cfg.URL = url
			}
			for _, f := range change {
				f(&cfg)
			}
			c.groups[r], errs[r] = natsring.NewGroup(t.Context(), cfg)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) each(f func(g *allreduce.Group) error) error {
	return errors.Join(allreducetest.Run(c.groups, f)...)
}

// exercise runs every collective a few times and checks the results, which are whole numbers.
func exercise(t *testing.T, c *cluster) {
	t.Helper()
	size := len(c.groups)
	lengths := []int{0, 1, 7, 61706, allreducetest.Amount(50_001, 300_001, 300_001)}
	err := c.each(func(g *allreduce.Group) error {
		ctx := t.Context()
		for round := range 2 {
			var pending []*allreduce.Pending
			bufs := make([][]float32, len(lengths))
			for b, n := range lengths {
				bufs[b] = make([]float32, n)
				for i := range bufs[b] {
					bufs[b][i] = float32(g.Rank()*(i%100) + round)
				}
				pending = append(pending, g.StartAllReduce(bufs[b], allreduce.Sum{Bucket: b}))
			}
			for b, p := range pending {
				if err := p.Wait(ctx); err != nil {
					return err
				}
				for i, v := range bufs[b] {
					if want := float32(size*(size-1)/2*(i%100) + size*round); v != want {
						return fmt.Errorf("rank %d bucket %d element %d: %v, want %v", g.Rank(), b, i, v, want)
					}
				}
			}
			if err := g.Barrier(ctx); err != nil {
				return err
			}
			all, err := g.AllGatherBytes(ctx, []byte(strings.Repeat("x", g.Rank()*1000)))
			if err != nil {
				return err
			}
			for r := range all {
				if len(all[r]) != r*1000 {
					return fmt.Errorf("part of rank %d has %d bytes", r, len(all[r]))
				}
			}
			v := []float32{float32(g.Rank())}
			if err := g.Broadcast(ctx, v, size-1); err != nil {
				return err
			}
			if v[0] != float32(size-1) {
				return errors.New("wrong broadcast")
			}
		}
		return g.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestEmbeddedServers(t *testing.T) {
	for _, size := range []int{2, 3, 4} {
		for _, rings := range []int{1, 3} {
			for _, way := range []struct{ shared, sealed bool }{{true, true}, {false, true}, {true, false}, {false, false}} {
				shared := way.shared
				t.Run(fmt.Sprintf("size=%d rings=%d shared=%v sealed=%v", size, rings, shared, way.sealed), func(t *testing.T) {
					ring := ringConfig(size)
					ring.Rings = rings
					c := joinAll(t, ring, "", func(c *natsring.Config) {
						if c.SharedMemory = shared; way.sealed {
							share(c)
						}
					})
					if got := c.groups[0].Describe(); runtime.GOOS == "linux" && strings.Contains(got, "shared memory") != shared {
						t.Errorf("the transport is %q", got)
					}
					exercise(t, c)
				})
			}
		}
	}
}

func TestSpinningRanksSumAsSleepingOnesDo(t *testing.T) {
	ring := ringConfig(2)
	ring.Spin = 50 * time.Microsecond
	exercise(t, joinAll(t, ring, ""))
}

func TestExternalServer(t *testing.T) {
	for _, size := range []int{2, 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			url := "nats://" + address(startServer(t, nil))
			exercise(t, joinAll(t, ringConfig(size), url, share))
			exercise(t, joinAll(t, ringConfig(size), url))
		})
	}
}

func TestViewsFollowOneAnotherOnTheSameServers(t *testing.T) {
	ring := ringConfig(2)
	s := startServer(t, nil)
	for view := range uint64(3) {
		ring.View = view
		exercise(t, joinAll(t, ring, "nats://"+address(s)))
	}
}

func TestANeighbourWhoseProcessEndsIsNoticed(t *testing.T) {
	c := joinAll(t, ringConfig(3), "")
	err := c.each(func(g *allreduce.Group) error { return g.Barrier(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	// The long deadline shows that it is the connection that tells.
	pending := []*allreduce.Pending{0: c.groups[0].StartAllReduce(make([]float32, 100), allreduce.Sum{Bucket: 0}), 1: c.groups[1].StartAllReduce(make([]float32, 100), allreduce.Sum{Bucket: 0})}
	c.servers[2].Close()
	for r, p := range pending {
		err := p.Wait(t.Context())
		var e *allreduce.Error
		if !errors.As(err, &e) {
			t.Fatalf("rank %d: %v", r, err)
		}
		lost := errors.Is(err, allreduce.ErrNeighbourLost) && e.Neighbour == 2
		if !lost && !errors.Is(err, allreduce.ErrAborted) {
			t.Errorf("rank %d: %v", r, err)
		}
	}
	_ = c.each(func(g *allreduce.Group) error { return g.Close() })
}

func TestANeighbourThatLeftAnExternalServerIsNoticed(t *testing.T) {
	s := startServer(t, nil)
	ring := ringConfig(2)
	ring.Linger = 0
	c := joinAll(t, ring, "nats://"+address(s))
	_ = c.groups[1].Close()
	err := c.groups[0].AllReduce(t.Context(), make([]float32, 10))
	if !errors.Is(err, allreduce.ErrNeighbourLost) {
		t.Errorf("got %v", err)
	}
	_ = c.groups[0].Close()
}

func TestMismatchedLengthsOverNATS(t *testing.T) {
	c := joinAll(t, ringConfig(2), "")
	err := c.each(func(g *allreduce.Group) error { return g.AllReduce(t.Context(), make([]float32, 10+g.Rank())) })
	if !errors.Is(err, allreduce.ErrMismatch) {
		t.Errorf("got %v", err)
	}
	_ = c.each(func(g *allreduce.Group) error { return g.Close() })
}

func TestAWrongKeyIsRefused(t *testing.T) {
	key := []byte("the job's secret key")
	s := startServer(t, func(c *natsring.ServerConfig) { c.Key = key })
	for _, wrong := range [][]byte{nil, []byte("another secret key")} {
		cfg := natsring.DefaultConfig(ringConfig(2))
		cfg.Server, cfg.Addrs, cfg.Key = s, []string{address(s), address(s)}, wrong
		if _, err := natsring.Join(t.Context(), cfg); !errors.Is(err, natsring.ErrUnauthorized) || strings.Contains(err.Error(), "secret") {
			t.Errorf("key %q: %v", wrong, err)
		}
	}
}

func TestAWrongTokenIsRefused(t *testing.T) {
	cfg := natsring.DefaultConfig(ringConfig(2))
	cfg.Token, cfg.URL = "wrong", startExternal(t, server.Options{Authorization: "secret"})
	_, err := natsring.Join(t.Context(), cfg)
	if !errors.Is(err, natsring.ErrUnauthorized) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), cfg.Token) {
		t.Errorf("%v", err)
	}
}

// startExternal starts a NATS server that is nobody's own.
func startExternal(t testing.TB, o server.Options) (url string) {
	t.Helper()
	address, stop, err := natsringtest.StartExternal(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return "nats://" + address
}

func TestAPortInUseIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := natsring.DefaultServerConfig()
	cfg.Host, cfg.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	_, err = natsring.StartServer(cfg)
	if !errors.Is(err, natsring.ErrServer) || !strings.Contains(err.Error(), fmt.Sprint(cfg.Port)) {
		t.Errorf("got %v", err)
	}
}

func TestAnAddressOfAnotherMachineIsRefused(t *testing.T) {
	cfg := natsring.DefaultServerConfig()
	cfg.Host = "192.0.2.1" // for documentation: nobody has it
	if _, err := natsring.StartServer(cfg); !errors.Is(err, natsring.ErrServer) || !strings.Contains(err.Error(), "an address of this machine") {
		t.Errorf("got %v", err)
	}
}

func TestASmallMaxPayloadIsRefused(t *testing.T) {
	s := startServer(t, func(c *natsring.ServerConfig) { c.MaxPayloadBytes = 100_000 })
	cfg := natsring.DefaultConfig(ringConfig(2))
	cfg.URL = "nats://" + address(s)
	cfg.Ring.ChunkBytes = 256 << 10
	if _, err := natsring.Join(t.Context(), cfg); !errors.Is(err, natsring.ErrMaxPayload) {
		t.Errorf("got %v", err)
	}
}

func TestJoinNamesWhoIsMissingAndHeedsTheContext(t *testing.T) {
	s := startServer(t, nil)
	cfg := natsring.DefaultConfig(ringConfig(3))
	cfg.Server, cfg.Addrs = s, slices.Repeat([]string{address(s)}, 3)
	cause := errors.New("the view has ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := natsring.Join(ctx, cfg); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	cfg.JoinTimeout = 200 * time.Millisecond
	if _, err := natsring.Join(t.Context(), cfg); !errors.Is(err, natsring.ErrJoin) || !strings.Contains(err.Error(), "rank 2") {
		t.Errorf("got %v", err)
	}
}
