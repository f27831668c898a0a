package natsring

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// vandal is a transport whose frames are damaged in shared memory, after they were built and before they are read.
type vandal struct {
	*Transport
	send func(l *link, frame []byte) error // in the place of link.send
}

func (v *vandal) Send(to allreduce.Peer, frame []byte) error { return v.send(v.links[to], frame) }

// vandals joins a ring over shared memory; send is given the rank.
func vandals(ctx context.Context, servers []*Server, ring allreduce.Config, send func(rank int, l *link, frame []byte) error) ([]*allreduce.Group, error) {
	var addrs []string
	for _, s := range servers[:ring.WorldSize] {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", s.Port()))
	}
	groups, errs := make([]*allreduce.Group, ring.WorldSize), make([]error, ring.WorldSize)
	var wg sync.WaitGroup
	for r := range groups {
		wg.Go(func() {
			own := ring
			own.Rank = r
			cfg := DefaultConfig(own)
			cfg.Server, cfg.Addrs = servers[r], addrs
			joined, err := Join(ctx, cfg)
			if err == nil && joined[0].Describe() != "shared memory beside NATS" {
				err = errors.New(joined[0].Describe())
			}
			if err == nil {
				groups[r], err = allreduce.New(own, &vandal{joined[0], func(l *link, frame []byte) error { return send(r, l, frame) }})
			}
			errs[r] = err
		})
	}
	wg.Wait()
	return groups, errors.Join(errs...)
}

func startServers(t *testing.T, n int) []*Server {
	t.Helper()
	var servers []*Server
	for range n {
		cfg := DefaultServerConfig()
		cfg.Host = "127.0.0.1"
		s, err := StartServer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		servers = append(servers, s)
	}
	return servers
}

// A frame in shared memory is checked like one that came through a socket: a bit that changes anywhere in it is found.
func TestDamageInSharedMemoryIsFound(t *testing.T) {
	const elements = 16 // so each rank's half takes 32 bytes
	const frameBytes = allreduce.HeaderBytes + 4*elements/2
	servers := startServers(t, 2)
	for at := 0; at < frameBytes; at += allreducetest.Amount(17, 3, 1) {
		ring := allreduce.DefaultConfig()
		ring.Job, ring.View, ring.WorldSize = "damage", uint64(at), 2
		ring.ChunkBytes, ring.WindowBytes = 1<<10, 8<<10
		var damaged atomic.Bool
		groups, err := vandals(t.Context(), servers, ring, func(rank int, l *link, frame []byte) error {
			if rank == 0 && l.peer == allreduce.Next && !damaged.Swap(true) {
				if len(frame) != frameBytes || !l.segment.holds(frame) {
					t.Errorf("the first frame has %d bytes, want %d in shared memory", len(frame), frameBytes)
				}
				frame[at%len(frame)] ^= 1 << (at % 8)
			}
			return l.send(frame)
		})
		if err != nil {
			t.Fatal(err)
		}
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			return g.AllReduce(t.Context(), make([]float32, elements))
		})
		if !errors.Is(errs[1], allreduce.ErrCorrupt) && !(at == 2 && errors.Is(errs[1], allreduce.ErrProtocol)) { // byte 2 is the version
			t.Errorf("byte %d: the receiver says %v", at, errs[1])
		}
		if err := allreducetest.CheckEnd(0, errs[0], allreduce.ErrAborted); err != nil || !strings.Contains(errs[0].Error(), "rank 1") {
			t.Errorf("byte %d: the sender: %v", at, err)
		}
		allreducetest.CloseAll(groups)
	}
}

// Whatever happens to frames in shared memory, to what stands beside them there and to the wake-ups: what a rank
// believes to be finished is right to the bit, and each rank that cannot finish has an error of its own.
func TestFaultsInSharedMemory(t *testing.T) {
	servers := startServers(t, 4)
	for _, kind := range []struct {
		name string
		// strike hands over a frame with a fault in it. The sequence words are those of the writing end.
		strike func(l *link, frame []byte, random *rand.Rand) error
		ends   []error
		heals  bool // as a rule
	}{
		{"flipped bit", func(l *link, frame []byte, random *rand.Rand) error {
			frame[random.IntN(len(frame))] ^= 1 << random.IntN(8)
			return l.send(frame)
		}, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol}, false},
		{"cut short", func(l *link, frame []byte, random *rand.Rand) error {
			return l.send(frame[:random.IntN(len(frame))])
		}, []error{allreduce.ErrCorrupt, allreduce.ErrTimeout}, false},
		{"never committed", func(*link, []byte, *rand.Rand) error { return nil }, []error{allreduce.ErrProtocol, allreduce.ErrTimeout}, false},
		{"reader not woken", func(l *link, frame []byte, _ *rand.Rand) error {
			l.segment.commit(len(frame))
			return nil
		}, []error{allreduce.ErrTimeout}, true}, // other frames and timers wake it too
		{"another number", func(l *link, frame []byte, random *rand.Rand) error {
			l.segment.sequence += 1 + random.Uint64N(3)
			return l.send(frame)
		}, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol, allreduce.ErrTimeout, allreduce.ErrSlowConsumer}, false},
		{"another length", func(l *link, frame []byte, random *rand.Rand) error {
			if l.segment.commit(random.IntN(1 << 20)) {
				l.bell.ring()
			}
			return nil
		}, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol}, false},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var mu sync.Mutex
			failed := 0
			var wg sync.WaitGroup
			slots := make(chan struct{}, 8)
			for seed := range allreducetest.Amount(4, 12, 300) {
				random := rand.New(rand.NewPCG(uint64(seed), 21))
				ring := allreduce.DefaultConfig()
				ring.Job, ring.WorldSize = fmt.Sprintf("memory-%d-%d", seed, random.Uint64()), 2+random.IntN(3)
				ring.ChunkBytes, ring.WindowBytes = 512, 4<<10
				ring.Deadline, ring.Linger = 300*time.Millisecond, 100*time.Millisecond
				p := []float64{0.05, 0.01, 0.002}[seed%3]
				var streams []*rand.Rand // each rank's own, by its goroutine alone
				for r := range ring.WorldSize {
					streams = append(streams, rand.New(rand.NewPCG(uint64(seed), uint64(100+r))))
				}
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					var armed atomic.Bool
					groups, err := vandals(t.Context(), servers, ring, func(rank int, l *link, frame []byte) error {
						if armed.Load() && streams[rank].Float64() < p {
							return kind.strike(l, frame, streams[rank])
						}
						return l.send(frame)
					})
					if err != nil {
						t.Error(err)
						return
					}
					armed.Store(true)
					mix := allreducetest.Mix{Seed: uint64(seed), MaxElements: 3000}
					errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
						if err := mix.Run(t.Context(), g, 0, 6); err != nil {
							return err
						}
						return g.Barrier(t.Context())
					})
					for r, err := range errs {
						if err == nil {
							continue
						}
						if err := allreducetest.CheckEnd(r, err, append(kind.ends, allreduce.ErrTimeout)...); err != nil {
							t.Errorf("seed %d: %v", seed, err)
						}
					}
					allreducetest.CloseAll(groups)
					mu.Lock()
					defer mu.Unlock()
					if errors.Join(errs...) != nil {
						failed++
					}
				})
			}
			wg.Wait()
			t.Logf("%d rings failed", failed)
			if failed == 0 && !kind.heals {
				t.Error("no seed made a collective fail")
			}
		})
	}
}
