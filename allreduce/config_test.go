package allreduce_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringloom/allreduce"
)

func TestValidateNamesTheField(t *testing.T) {
	for field, change := range map[string]func(*allreduce.Config){
		"Job":          func(c *allreduce.Config) { c.Job = "a.b" },
		"Size":         func(c *allreduce.Config) { c.WorldSize = 0 },
		"Alone":        func(c *allreduce.Config) { c.Alone = true },
		"Rank":         func(c *allreduce.Config) { c.Rank = 2 },
		"ChunkBytes":   func(c *allreduce.Config) { c.ChunkBytes = 10 },
		"WindowBytes":  func(c *allreduce.Config) { c.WindowBytes = c.ChunkBytes },
		"at most 1073": func(c *allreduce.Config) { c.WindowBytes = 2 << 30 },
		"65536 chunks": func(c *allreduce.Config) { c.ChunkBytes, c.WindowBytes = 4, 1<<20 },
		"Rings":        func(c *allreduce.Config) { c.Rings = 0 },
		"Spin":         func(c *allreduce.Config) { c.Spin = time.Second },
		"Deadline":     func(c *allreduce.Config) { c.Deadline = 0 },
		"Linger":       func(c *allreduce.Config) { c.Linger = -time.Second },
	} {
		cfg := testConfig(2)
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := cfg.Validate(); !errors.Is(err, allreduce.ErrConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestErrorTextIsOneLineThatSaysWhereWhatAndWhatToDo(t *testing.T) {
	err := &allreduce.Error{
		Kind: allreduce.ErrNeighbourLost, Rank: 1, Neighbour: 2, Op: "all-reduce", Bucket: 3, Step: 17,
		LastHeard: time.Date(2024, 5, 1, 12, 30, 15, 250e6, time.UTC), Silence: 1234567 * time.Microsecond,
		Err: errors.New("connection reset by peer"),
	}
	want := "rank 1: all-reduce of bucket 3 (collective 17): ring neighbour lost: rank 2, last heard from 1.235s before (12:30:15.250): " +
		"connection reset by peer; look at that rank's log for the first error"
	if got := err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	aborted := &allreduce.Error{Kind: allreduce.ErrAborted, Rank: 0, Neighbour: 1, Origin: 1, Op: "barrier", Step: 18, Err: err}
	if got := aborted.Error(); !strings.HasPrefix(got, "rank 0: barrier (collective 18): ended by another rank (rank 1): rank 1: all-reduce") {
		t.Errorf("got %s", got)
	}
}
