package natsring_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/natsring"
	"ringloom/allreduce/natsring/natsringtest"
)

// Deadlines of rings that must fail; where faults do no harm, deadlines are never reached.
const (
	shortDeadline = 300 * time.Millisecond
	longDeadline  = time.Minute
)

var faultKinds = []struct {
	name string
	set  func(f *natsringtest.Faults, p float64)
	ends []error // what the rank that finds the fault may report; none if the fault is harmless
}{
	{"drop", func(f *natsringtest.Faults, p float64) { f.Drop = p }, []error{allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"duplicate", func(f *natsringtest.Faults, p float64) { f.Duplicate = p }, []error{allreduce.ErrProtocol, allreduce.ErrCorrupt, allreduce.ErrTimeout}},
	{"reorder", func(f *natsringtest.Faults, p float64) { f.Reorder = p }, []error{allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"corrupt", func(f *natsringtest.Faults, p float64) { f.Corrupt = p }, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"truncate", func(f *natsringtest.Faults, p float64) { f.Truncate = p }, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"raw bytes", func(f *natsringtest.Faults, p float64) { f.Raw = p }, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"cut", func(f *natsringtest.Faults, p float64) { f.Cut = p }, []error{allreduce.ErrTimeout}},
	{"stall", func(f *natsringtest.Faults, p float64) { f.Stall = p }, []error{allreduce.ErrTimeout}},
	{"delay", func(f *natsringtest.Faults, p float64) { f.Delay, f.MaxDelay = 4*p, 10*time.Millisecond }, nil},
	{"all at once", func(f *natsringtest.Faults, p float64) {
		f.Drop, f.Duplicate, f.Reorder, f.Corrupt, f.Truncate, f.Raw, f.Cut = p/7, p/7, p/7, p/7, p/7, p/7, p/7
		f.Delay, f.MaxDelay = p, 10*time.Millisecond
	}, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol, allreduce.ErrTimeout}},
}

// Embedded servers and the transport are the real ones. Whatever happens between a rank and its neighbours' servers, in
// all collectives and formats: what a rank believes to be finished is right to the bit, and each rank that cannot
// finish has an error of its own.
func TestFaultsBetweenARankAndAServer(t *testing.T) {
	const sizes = 4
	var servers []*natsring.Server // for all rings: jobs do not hear each other
	for range sizes {
		servers = append(servers, startServer(t, nil))
	}
	for _, kind := range faultKinds {
		t.Run(kind.name, func(t *testing.T) {
			var mu sync.Mutex
			struck, failed, finished := 0, 0, 0
			inParallel(allreducetest.Amount(4, 12, 400), func(seed int) {
				r := newFaultyRing(t, servers, seed, kind.set, len(kind.ends) == 0)
				ok := r.run(t, kind.ends)
				mu.Lock()
				defer mu.Unlock()
				struck += r.struck()
				if ok {
					finished++
				} else {
					failed++
				}
			})
			t.Logf("%d faults, %d rings failed, %d finished", struck, failed, finished)
			if struck == 0 {
				t.Error("no fault happened")
			}
			if len(kind.ends) > 0 && failed == 0 {
				t.Error("no seed made a collective fail")
			}
		})
	}
}

// inParallel calls f with 0 to n-1, several at a time: most of them wait for a deadline.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 12)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// faultyRing is a ring whose ranks reach each other's servers through proxies.
type faultyRing struct {
	seed    int
	cfg     allreduce.Config
	early   bool // faults strike the greetings too
	mix     allreducetest.Mix
	proxies []*natsringtest.Proxy
	errs    []error // of joining, by rank
	cluster
}

func newFaultyRing(t *testing.T, servers []*natsring.Server, seed int, set func(*natsringtest.Faults, float64), harmless bool) *faultyRing {
	random := rand.New(rand.NewPCG(uint64(seed), 11))
	r := &faultyRing{
		seed: seed, cfg: ringConfig(2 + random.IntN(len(servers)-1)), early: random.IntN(6) == 0,
		mix: allreducetest.Mix{Seed: uint64(seed), MaxElements: 4000},
	}
	r.cfg.Job = fmt.Sprintf("%d-%d", seed, random.Uint64())
	r.cfg.ChunkBytes = []int{512, 4 << 10}[random.IntN(2)] // a group writes small frames itself
	r.cfg.WindowBytes = 8 * r.cfg.ChunkBytes
	r.cfg.Deadline, r.cfg.Linger = shortDeadline, shortDeadline/3
	if harmless {
		r.cfg.Deadline = longDeadline
	}
	if random.IntN(4) == 0 {
		r.cfg.Rings, r.mix.MaxElements = 2, allreduce.StripeBytes/2+100
	}
	shared := random.IntN(4) == 0 // then only greetings and the connections themselves suffer here; see damage_linux_test.go
	sealed := random.IntN(2) == 0
	faults := natsringtest.Faults{Seed: uint64(seed)}
	set(&faults, []float64{0.1, 0.02, 0.005}[seed%3])
	var addrs []string
	for i := range r.cfg.WorldSize {
		p, err := natsringtest.Listen(address(servers[i]), faults)
		if err != nil {
			t.Fatal(err)
		}
		if r.early {
			p.Arm()
		}
		r.proxies, addrs = append(r.proxies, p), append(addrs, p.Addr())
	}
	r.groups, r.errs = make([]*allreduce.Group, r.cfg.WorldSize), make([]error, r.cfg.WorldSize)
	var wg sync.WaitGroup
	for rank := range r.cfg.WorldSize {
		wg.Go(func() {
			ring := r.cfg
			ring.Rank = rank
			cfg := natsring.DefaultConfig(ring)
			cfg.Server, cfg.Addrs, cfg.SharedMemory = servers[rank], addrs, shared
			if sealed {
				share(&cfg)
			}
			if r.early && !harmless {
				cfg.JoinTimeout = 2 * shortDeadline
			}
			r.groups[rank], r.errs[rank] = natsring.NewGroup(t.Context(), cfg)
		})
	}
	wg.Wait()
	for _, p := range r.proxies {
		p.Arm()
	}
	return r
}

// run says whether all collectives finished on all ranks.
func (r *faultyRing) run(t *testing.T, ends []error) bool {
	defer func() {
		for _, p := range r.proxies {
			p.Close()
		}
	}()
	ok := true
	var joined []*allreduce.Group
	for rank, err := range r.errs {
		if err == nil {
			joined = append(joined, r.groups[rank])
			continue
		}
		ok = false
		if !r.early || len(ends) == 0 || !isJoinError(err) {
			t.Errorf("seed %d, rank %d does not join: %v", r.seed, rank, err)
		}
	}
	for i, err := range allreducetest.Run(joined, func(g *allreduce.Group) error {
		if err := r.mix.Run(t.Context(), g, 0, 5); err != nil {
			return err
		}
		return g.Barrier(t.Context())
	}) {
		if err == nil {
			continue
		}
		ok = false
		if err := allreducetest.CheckEnd(joined[i].Rank(), err, ends...); err != nil {
			t.Errorf("seed %d: %v", r.seed, err)
		}
	}
	allreducetest.CloseAll(joined)
	return ok
}

func (r *faultyRing) struck() int {
	n := 0
	for _, p := range r.proxies {
		n += p.Struck()
	}
	return n
}

func isJoinError(err error) bool {
	for _, kind := range []error{
		natsring.ErrJoin, natsring.ErrConnect, natsring.ErrUnauthorized, natsring.ErrMaxPayload, allreduce.ErrMismatch,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
