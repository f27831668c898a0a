package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAwaitEndsWithItsContext(t *testing.T) {
	if v, err := await(t.Context(), nil, "", func() (int, error) { return 3, nil }); v != 3 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	stop, never := errors.New("stop"), make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := await(ctx, nil, "", func() (int, error) { <-never; return 0, nil }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestPatienceTellsNowAndThen(t *testing.T) {
	var said []string
	p := newTeller(func(text string) { said = append(said, text) })
	p.tell("too early")
	p.begin, p.next = p.begin.Add(-3*time.Second), time.Now()
	p.tell("waiting")
	p.tell("too early again")
	if len(said) != 1 || !strings.HasPrefix(said[0], "waiting (for 3s") {
		t.Errorf("%q", said)
	}
}
