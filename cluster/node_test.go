package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

// patience bounds what a test waits for: nothing here is about time, so it only ends tests that hang.
const patience = 60 * time.Second

var epoch = time.Now()

// testConfig is that of the i-th node to be born.
func testConfig(t *testing.T, i, size int, join ...string) Config {
	t.Helper()
	c := Default()
	c.Job = "test"
	c.Name = fmt.Sprintf("worker-%d", i)
	c.WorldSize = size
	c.Join = join
	c.JoinTimeout = patience
	c.Grace = patience / 4
	c.Birth = epoch.Add(time.Duration(i) * time.Millisecond)
	c.NATSAddr = fmt.Sprintf("nats://127.0.0.1:%d", 5000+i)
	c.Digest = Digest{{"model", "lenet"}, {"seed", "1"}}
	c.Logger = zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))
	return c
}

func start(t *testing.T, cfg Config) *Node {
	t.Helper()
	n, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// waitViews waits until all have a view, and checks that it is the same.
func waitViews(t *testing.T, nodes []*Node) []View {
	t.Helper()
	views := make([]View, len(nodes))
	errs := make([]error, len(nodes))
	each(nodes, func(i int, n *Node) { views[i], errs[i] = n.WaitView(within(t)) })
	for i, v := range views {
		if errs[i] != nil {
			t.Fatalf("node %d: %v", i, errs[i])
		}
		if v.Rank != i || v.WorldSize() != len(nodes) || v.Leader != 0 || v.Generation != 1 || v.Cause() != nil {
			t.Fatalf("node %d has rank %d of %d in view %d led by %d, cause %v", i, v.Rank, v.WorldSize(), v.Generation, v.Leader, v.Cause())
		}
		for r, m := range v.Members {
			if m.ID != nodes[r].Self().ID || m.NATSAddr != nodes[r].cfg.NATSAddr || m.Addr != nodes[r].Self().Addr {
				t.Errorf("node %d: rank %d is %+v, want %+v", i, r, m, nodes[r].Self())
			}
		}
	}
	return views
}

// each runs f for all nodes at once.
func each(nodes []*Node, f func(i int, n *Node)) {
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { f(i, n) })
	}
	wg.Wait()
}

// form starts a job of so many ranks; all join the first.
func form(t *testing.T, size int) ([]*Node, []View) {
	t.Helper()
	nodes := []*Node{start(t, testConfig(t, 0, size))}
	for i := 1; i < size; i++ {
		nodes = append(nodes, start(t, testConfig(t, i, size, nodes[0].Self().Addr)))
	}
	return nodes, waitViews(t, nodes)
}

func waitEnd(t *testing.T, v View) error {
	t.Helper()
	select {
	case <-v.Done():
		return v.Cause()
	case <-time.After(patience):
		t.Fatalf("the view of rank %d does not end", v.Rank)
		return nil
	}
}

func TestFormFinishLeave(t *testing.T) {
	for _, size := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			nodes, views := form(t, size)
			each(nodes, func(i int, n *Node) {
				if err := n.Finish(within(t)); err != nil {
					t.Errorf("rank %d does not finish: %v", i, err)
				}
				if err := n.RootCause(within(t)); err != nil {
					t.Errorf("rank %d finds a cause for the end of a finished job: %v", i, err)
				}
				if err := n.Leave(within(t)); err != nil {
					t.Errorf("rank %d does not leave: %v", i, err)
				}
				if err := views[i].Cause(); !errors.Is(err, ErrLeft) {
					t.Errorf("the view of rank %d ends with %v", i, err)
				}
			})
		})
	}
}

// The first node knows of nobody, and all are started in the wrong order: each knows only the one that was started
// before.
func TestFormChain(t *testing.T) {
	const size = 3
	nodes := make([]*Node, size)
	var join []string
	for i := size - 1; i >= 0; i-- {
		nodes[i] = start(t, testConfig(t, i, size, join...))
		join = []string{nodes[i].Self().Addr}
	}
	waitViews(t, nodes)
}

func TestMismatch(t *testing.T) {
	told := make(chan WaitStatus, 100)
	cfg := testConfig(t, 0, 2)
	cfg.OnWaiting = func(s WaitStatus) { told <- s }
	first := start(t, cfg)
	formed := make(chan error, 1)
	go func() { _, err := first.WaitView(within(t)); formed <- err }()

	cfg = testConfig(t, 1, 2, first.Self().Addr)
	cfg.Digest = Digest{{"model", "alexnet"}, {"seed", "1"}}
	_, err := start(t, cfg).WaitView(within(t))
	var mismatch *Mismatch
	if !errors.As(err, &mismatch) || len(mismatch.Differences) != 1 || mismatch.Peer.ID != first.Self().ID {
		t.Fatalf("the younger gets %v", err)
	}
	if want := "model: here alexnet, node worker-0 has lenet"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("message %q, want the end %q", err, want)
	}
	for s := range told {
		if len(s.Refusals) == 1 && len(s.Refusals[0].Differences) == 1 {
			if d := s.Refusals[0].Differences[0]; d != (Difference{"model", "lenet", "alexnet"}) {
				t.Errorf("the older is told %+v", d)
			}
			break
		}
	}
	// The corrected node can join.
	second := start(t, testConfig(t, 2, 2, first.Self().Addr))
	if _, err := second.WaitView(within(t)); err != nil {
		t.Error(err)
	}
	if err := <-formed; err != nil {
		t.Error(err)
	}
}

func TestOneTooMany(t *testing.T) {
	nodes, views := form(t, 2)
	late := start(t, testConfig(t, 2, 2, nodes[1].Self().Addr))
	_, err := late.WaitView(within(t))
	var full *JobFull
	if !errors.As(err, &full) || full.Ranks != 2 || full.By.ID != nodes[0].Self().ID {
		t.Fatalf("the late node gets %v", err)
	}
	_ = late.Close()
	each(nodes, func(i int, n *Node) {
		if err := n.Finish(within(t)); err != nil {
			t.Errorf("rank %d was disturbed: %v", i, err)
		}
		if err := views[i].Cause(); err != nil {
			t.Errorf("the view of rank %d has ended: %v", i, err)
		}
	})
}
