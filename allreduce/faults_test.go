package allreduce_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// anyFault is what a rank may report of a ring whose frames suffer everything at once.
var anyFault = []error{allreduce.ErrProtocol, allreduce.ErrTimeout, allreduce.ErrCorrupt}

var faultKinds = []struct {
	name string
	set  func(f *allreducetest.Faults, p float64)
	ends []error // what the rank that finds the fault may report; none if the fault is harmless
}{
	{"drop", func(f *allreducetest.Faults, p float64) { f.Drop = p }, []error{allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"duplicate", func(f *allreducetest.Faults, p float64) { f.Duplicate = p }, []error{allreduce.ErrProtocol}},
	{"reorder", func(f *allreducetest.Faults, p float64) { f.Reorder = p }, []error{allreduce.ErrProtocol, allreduce.ErrTimeout}},
	{"corrupt", func(f *allreducetest.Faults, p float64) { f.Corrupt = p }, []error{allreduce.ErrCorrupt, allreduce.ErrProtocol}},
	{"truncate", func(f *allreducetest.Faults, p float64) { f.Truncate = p }, []error{allreduce.ErrCorrupt}},
	{"delay", func(f *allreducetest.Faults, p float64) { f.Delay, f.MaxDelay = 4*p, time.Second }, nil},
	{"all at once", func(f *allreducetest.Faults, p float64) {
		f.Drop, f.Duplicate, f.Reorder, f.Corrupt, f.Truncate = p/5, p/5, p/5, p/5, p/5
		f.Delay, f.MaxDelay = p, time.Second
	}, anyFault},
}

// Whatever happens to frames, in all collectives and formats and over one or several rings: what a rank believes to be
// finished is right to the bit, and a rank that cannot finish says so before the deadline.
func TestEveryFaultEndsTheCollectiveOrIsHarmless(t *testing.T) {
	for _, kind := range faultKinds {
		t.Run(kind.name, func(t *testing.T) {
			failed, finished := 0, 0
			for seed := range allreducetest.Amount(35, 300, 3000) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(uint64(seed), 7))
					faults := allreducetest.Faults{Seed: uint64(seed), Rank: -1, Back: seed%2 == 1}
					kind.set(&faults, []float64{0.05, 0.01, 0.003}[seed%3])
					if mixWithFaults(t, random, faults, kind.ends) {
						failed++
					} else {
						finished++
					}
				})
			}
			if len(kind.ends) > 0 && failed == 0 {
				t.Error("no seed made a collective fail")
			}
			if finished == 0 {
				t.Error("no seed let all collectives finish")
			}
		})
	}
}

// mixWithFaults says whether the ring failed.
func mixWithFaults(t *testing.T, random *rand.Rand, faults allreducetest.Faults, ends []error) bool {
	cfg := testConfig(2 + random.IntN(4))
	mix := allreducetest.Mix{Seed: faults.Seed, MaxElements: 300}
	if random.IntN(8) == 0 { // vectors so long that several rings share them
		cfg.Rings, cfg.ChunkBytes, cfg.WindowBytes = 3, 8<<10, 32<<10
		mix.MaxElements = 3 * allreduce.StripeBytes / 4
	}
	groups, _ := allreducetest.Groups(cfg, faults)
	defer allreducetest.CloseAll(groups)
	began := time.Now()
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		if err := mix.Run(t.Context(), g, 0, 4); err != nil {
			return err
		}
		return g.Barrier(t.Context())
	})
	// The clock is the bubble's. Without delays nothing moves it but the wait for what does not come.
	if took := time.Since(began); faults.Delay == 0 && took > cfg.Deadline {
		t.Errorf("seed %d: it took %v, the deadline is %v", faults.Seed, took, cfg.Deadline)
	}
	failed := false
	for r, err := range errs {
		if err == nil {
			continue
		}
		failed = true
		if err := allreducetest.CheckEnd(r, err, ends...); err != nil {
			t.Errorf("seed %d: %v", faults.Seed, err)
		}
	}
	return failed
}
