package allreduce_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

func TestOfTwoGenerationsOnlyOneIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(2)
		ring := allreducetest.NewRing(cfg, 0, allreducetest.Faults{})
		old := cfg
		old.View--
		stale, _ := allreduce.New(old, ring[0])
		fresh, _ := allreduce.New(func() allreduce.Config { c := cfg; c.Rank = 1; return c }(), ring[1])
		v := vectors(2, 10, 1)
		keep := slices.Clone(v[1])
		p := stale.StartAllReduce(v[0], allreduce.Sum{Bucket: 0})
		err := fresh.AllReduce(t.Context(), v[1])
		if !errors.Is(err, allreduce.ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
		if fresh.Stats().Ignored == 0 || !sameBits(v[1], keep) {
			t.Error("a frame of another view was not ignored")
		}
		_ = p.Wait(t.Context())
		allreducetest.CloseAll([]*allreduce.Group{stale, fresh})
	})
}

func TestMismatchesAreNamed(t *testing.T) {
	type call func(ctx context.Context, g *allreduce.Group) error
	reduce := func(n, bucket int) call {
		return func(ctx context.Context, g *allreduce.Group) error {
			return g.StartAllReduce(make([]float32, n), allreduce.Sum{Bucket: bucket}).Wait(ctx)
		}
	}
	broadcast := func(n, root int) call {
		return func(ctx context.Context, g *allreduce.Group) error { return g.Broadcast(ctx, make([]float32, n), root) }
	}
	barrier := func(ctx context.Context, g *allreduce.Group) error { return g.Barrier(ctx) }
	for name, c := range map[string]struct{ one, others call }{
		"length":         {reduce(10, 0), reduce(11, 0)},
		"empty":          {reduce(0, 0), reduce(5, 0)},
		"bucket":         {reduce(10, 1), reduce(10, 2)},
		"collective":     {reduce(10, 0), barrier},
		"broadcast":      {reduce(10, 0), broadcast(10, 0)},
		"broadcast size": {broadcast(10, 1), broadcast(11, 1)},
		"gather or float": {reduce(10, 0), func(ctx context.Context, g *allreduce.Group) error {
			_, err := g.AllGatherBytes(ctx, []byte("x"))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				groups, _ := allreducetest.Groups(testConfig(3), allreducetest.Faults{})
				errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
					f := c.others
					if g.Rank() == 1 {
						f = c.one
					}
					return errors.Join(f(t.Context(), g), g.Barrier(t.Context()))
				})
				named := 0
				for r, err := range errs {
					if err == nil {
						t.Errorf("rank %d saw no error", r)
					}
					if errors.Is(err, allreduce.ErrMismatch) {
						named++
					}
				}
				if named == 0 {
					t.Errorf("no rank names the mismatch: %v", errs)
				}
			})
		})
	}
}

func TestAKilledNeighbourEndsAllRanks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		groups, ring := allreducetest.Groups(testConfig(4), allreducetest.Faults{})
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			if g.Rank() == 2 {
				ring[2].Kill()
				return nil
			}
			return g.AllReduce(t.Context(), make([]float32, 1000))
		})
		for _, r := range []int{0, 1, 3} {
			var e *allreduce.Error
			if !errors.As(errs[r], &e) {
				t.Fatalf("rank %d: %v", r, errs[r])
			}
			if r != 0 && (e.Neighbour != 2 || !errors.Is(e, allreduce.ErrNeighbourLost)) {
				t.Errorf("rank %d does not name the dead rank: %v", r, e)
			}
		}
		if time.Since(start) != 0 {
			t.Errorf("it took until a timer fired: %v", time.Since(start))
		}
		_ = groups[2].Close()
	})
}

func TestTheCauseOfACancelledContextIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(3), allreducetest.Faults{})
		cause := errors.New("the view has ended")
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
			if g.Rank() == 0 {
				synctest.Wait() // until the others wait for rank 0
				cancel(cause)
				return nil
			}
			if g.Rank() == 1 {
				return g.AllReduce(ctx, make([]float32, 10))
			}
			return g.AllReduce(t.Context(), make([]float32, 10))
		})
		if errs[1] != cause {
			t.Errorf("rank 1: got %v, want the cause itself", errs[1])
		}
		if !errors.Is(groups[1].Err(), cause) || !errors.Is(groups[1].Err(), allreduce.ErrCancelled) {
			t.Errorf("group's error: %v", groups[1].Err())
		}
		var e *allreduce.Error
		if !errors.As(errs[2], &e) || !errors.Is(e, allreduce.ErrAborted) || e.Origin != 1 {
			t.Errorf("rank 2: got %v, want an abort from rank 1", errs[2])
		}
		if err := groups[1].AllReduce(t.Context(), nil); !errors.Is(err, allreduce.ErrCancelled) {
			t.Errorf("a dead group answers %v", err)
		}
		allreducetest.CloseAll(groups)
	})
}

func TestADeadlineNamesTheRankThatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(3), allreducetest.Faults{})
		if err := allreducetest.Run(groups, func(g *allreduce.Group) error { return g.Barrier(t.Context()) }); errors.Join(err...) != nil {
			t.Fatal(err)
		}
		err := groups[1].StartAllReduce(make([]float32, 3), allreduce.Sum{Bucket: 4}).Wait(t.Context())
		var e *allreduce.Error
		if !errors.As(err, &e) || !errors.Is(err, allreduce.ErrTimeout) {
			t.Fatalf("got %v", err)
		}
		if e.Rank != 1 || e.Neighbour != 0 || e.Bucket != 4 || e.Op != "all-reduce" || e.Step != 2 || e.LastHeard.IsZero() {
			t.Errorf("incomplete: %+v", e)
		}
		allreducetest.CloseAll(groups)
	})
}

func TestAGroupOfOneMustBeAskedFor(t *testing.T) {
	cfg := testConfig(1)
	if _, err := allreduce.New(cfg); !errors.Is(err, allreduce.ErrConfig) {
		t.Errorf("got %v", err)
	}
	cfg.Alone = true
	g, err := allreduce.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v := []float32{1, 2}
	parts, gatherErr := g.AllGatherBytes(t.Context(), []byte("a"))
	if err := errors.Join(g.AllReduce(t.Context(), v), g.Broadcast(t.Context(), v, 0), g.Barrier(t.Context()), gatherErr); err != nil {
		t.Error(err)
	}
	if v[0] != 1 || v[1] != 2 || len(parts) != 1 || string(parts[0]) != "a" {
		t.Error("a group of one changed something")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Barrier(t.Context()); !errors.Is(err, allreduce.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestCloseInMidCollectiveEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(2), allreducetest.Faults{})
		p := groups[0].StartAllReduce(make([]float32, 5), allreduce.Sum{Bucket: 0})
		_ = groups[0].Close()
		if err := p.Wait(t.Context()); !errors.Is(err, allreduce.ErrClosed) {
			t.Errorf("rank 0: %v", err)
		}
		if err := groups[1].AllReduce(t.Context(), make([]float32, 5)); !errors.Is(err, allreduce.ErrAborted) {
			t.Errorf("rank 1: %v", err)
		}
		_ = groups[1].Close()
	})
}

func TestCloseWaitsForGoodbyesNoLongerThanLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups, _ := allreducetest.Groups(testConfig(2), allreducetest.Faults{})
		start := time.Now()
		if err := groups[0].Close(); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != testConfig(2).Linger {
			t.Errorf("waited %v", waited)
		}
		if err := groups[1].Barrier(t.Context()); !errors.Is(err, allreduce.ErrNeighbourLost) {
			t.Errorf("a collective after the neighbour's goodbye: %v", err)
		}
		_ = groups[1].Close()
	})
}
