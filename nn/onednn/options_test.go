package onednn

import (
	"errors"
	"testing"
)

func TestThreads(t *testing.T) {
	for _, c := range []struct{ ask, want int }{{0, 1}, {1, 1}, {8, 8}, {-1, 0}, {maxThreads + 1, 0}} {
		got, err := Options{Threads: c.ask}.threads()
		if got != c.want || errors.Is(err, ErrThreads) != (c.want == 0) {
			t.Errorf("%d threads asked for: got %d, %v", c.ask, got, err)
		}
	}
	if _, err := New(Options{Threads: -1}); err == nil {
		t.Error("New took -1 threads")
	}
}
