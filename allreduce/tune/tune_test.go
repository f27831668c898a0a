package tune

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/memring"
)

func baseConfig(size int) allreduce.Config {
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.WorldSize = "tune", size
	return cfg
}

// rings hands out the ends of one in-memory ring a trial.
type rings struct {
	mu     sync.Mutex
	size   int
	trials map[int][]*allreduce.Group
	open   int // ends that were opened
}

func (r *rings) opener(rank int) Open {
	return func(_ context.Context, cfg allreduce.Config, trial int) (*allreduce.Group, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.trials[trial] == nil {
			groups, err := memring.Groups(cfg)
			if err != nil {
				return nil, err
			}
			r.trials[trial] = groups
		}
		r.open++
		return r.trials[trial][rank], nil
	}
}

func TestAllRanksComeToTheSameChoice(t *testing.T) {
	const size = 3
	r := &rings{size: size, trials: map[int][]*allreduce.Group{}}
	results, errs := make([]Result, size), make([]error, size)
	var all sync.WaitGroup
	for rank := range size {
		all.Go(func() {
			c := DefaultConfig(baseConfig(size), []int{100_000, 3, 50_000})
			c.Base.Rank = rank
			c.Rounds = 2
			results[rank], errs[rank] = Ring(t.Context(), c, r.opener(rank))
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for rank, got := range results {
		got.Best.Rank = 0
		if got.Best != results[0].Best || got.After != results[0].After {
			t.Errorf("rank %d chose %+v, rank 0 %+v", rank, got.Best, results[0].Best)
		}
		if got.After > got.Before {
			t.Errorf("the choice takes %v, what it began with %v", got.After, got.Before)
		}
		if n := len(got.Trials); n < len(chunkBytes) || n*size != r.open {
			t.Errorf("%d trials, %d ends were opened", n, r.open)
		}
		for i, a := range got.Trials {
			for _, b := range got.Trials[:i] {
				if a.ChunkBytes == b.ChunkBytes && a.WindowBytes == b.WindowBytes && a.Rings == b.Rings {
					t.Errorf("%+v was tried twice", a)
				}
			}
		}
	}
	for trial, groups := range r.trials {
		for rank, g := range groups {
			if g.Err() == nil {
				t.Errorf("trial %d left the ring of rank %d open", trial, rank)
			}
		}
	}
}

func TestFramesStayUnderTheTransportsLimit(t *testing.T) {
	r := &rings{size: 2, trials: map[int][]*allreduce.Group{}}
	const limit = 200_000
	var all sync.WaitGroup
	for rank := range 2 {
		all.Go(func() {
			c := DefaultConfig(baseConfig(2), []int{1000})
			c.Base.Rank, c.Base.ChunkBytes, c.MaxFrameBytes = rank, 64<<10, limit
			got, err := Ring(t.Context(), c, r.opener(rank))
			if err != nil {
				t.Error(err)
			}
			for _, trial := range got.Trials {
				if trial.ChunkBytes+allreduce.HeaderBytes > limit {
					t.Errorf("tried chunks of %d bytes", trial.ChunkBytes)
				}
			}
		})
	}
	all.Wait()
}

func TestAFailedTrialEndsTheSearch(t *testing.T) {
	broken := errors.New("no ring")
	_, err := Ring(t.Context(), DefaultConfig(baseConfig(2), []int{10}), func(context.Context, allreduce.Config, int) (*allreduce.Group, error) {
		return nil, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestTheBestRoundOfTheSlowestRankCounts(t *testing.T) {
	pack := func(seconds ...float64) (b []byte) {
		for _, s := range seconds {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s))
		}
		return b
	}
	got, err := BestRound(t.Context(), gathered{nil, pack(2, 4, 1)}, []float64{3, 1, 5})
	if err != nil || got != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := BestRound(t.Context(), gathered{nil, pack(1)}, []float64{1, 2}); !errors.Is(err, allreduce.ErrMismatch) {
		t.Errorf("got %v", err)
	}
}

// gathered is what the other ranks have; the first is the caller.
type gathered [][]byte

func (g gathered) AllGatherBytes(_ context.Context, block []byte) ([][]byte, error) {
	g[0] = block
	return g, nil
}
