package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// An error of rank 2 ends the view everywhere, and all name it as the root cause, whoever else complains.
func TestAbort(t *testing.T) {
	nodes, views := form(t, 3)
	broken := errors.New("loss is NaN\nat step 17")
	nodes[2].Abort(broken)
	for _, v := range views { // before anybody else complains
		waitEnd(t, v)
	}
	each(nodes, func(i int, n *Node) {
		cause := views[i].Cause()
		var aborted *Aborted
		if !errors.As(cause, &aborted) || aborted.Rank != 2 || aborted.Kind != Primary {
			t.Errorf("the view of rank %d ends with %v", i, cause)
		}
		if i != 2 {
			n.Abort(fmt.Errorf("step 17: %w", cause))
		}
		root := n.RootCause(within(t))
		want := fmt.Sprintf("rank 2 (%s) failed: loss is NaN at step 17", nodes[2].Self())
		if root == nil || root.Error() != want {
			t.Errorf("root cause at rank %d is %v, want %s", i, root, want)
		}
		if errors.Is(root, broken) != (i == 2) {
			t.Errorf("rank %d: the error itself is known where it happened only: %v", i, root)
		}
		if n.Leads() != (i == 0) {
			t.Errorf("rank %d leads: %v", i, n.Leads())
		}
		if err := n.Leave(within(t)); err != nil {
			t.Error(err)
		}
	})
}

type neighbourGone struct{}

func (neighbourGone) Error() string     { return "ring: no data from rank 1" }
func (neighbourGone) Consequence() bool { return true }

// The neighbour's complaint comes first, the real error after.
func TestRootCauseAfterConsequence(t *testing.T) {
	nodes, views := form(t, 2)
	nodes[0].Abort(fmt.Errorf("step 3: %w", neighbourGone{}))
	for _, v := range views {
		waitEnd(t, v)
	}
	nodes[1].Abort(errors.New("disk full"))
	each(nodes, func(i int, n *Node) {
		var aborted *Aborted
		if err := n.RootCause(within(t)); !errors.As(err, &aborted) || aborted.Rank != 1 || aborted.Reason != "disk full" {
			t.Errorf("root cause at rank %d is %v", i, err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	nodes, views := form(t, 2)
	nodes[1].Abort(ErrInterrupted)
	waitEnd(t, views[0])
	nodes[0].Abort(views[0].Cause())
	each(nodes, func(i int, n *Node) {
		if err := n.RootCause(within(t)); !errors.Is(err, ErrInterrupted) {
			t.Errorf("root cause at rank %d is %v", i, err)
		}
	})
}

func TestLeaveEarly(t *testing.T) {
	nodes, views := form(t, 2)
	if err := nodes[1].Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	var aborted *Aborted
	if err := waitEnd(t, views[0]); !errors.As(err, &aborted) || aborted.Rank != 1 || aborted.Kind != Departed {
		t.Errorf("the view ends with %v", err)
	}
}

// A node that is closed without leaving is like a crashed one: its port refuses, and the next probe finds out, without
// any help.
func TestDeath(t *testing.T) {
	for _, victim := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("rank %d", victim), func(t *testing.T) {
			nodes, views := form(t, 3)
			dead := nodes[victim].Self()
			_ = nodes[victim].Close()
			leaders := 0
			for i, n := range nodes {
				if i == victim {
					continue
				}
				checkLost(t, waitEnd(t, views[i]), dead, victim)
				n.Abort(views[i].Cause())
				root := n.RootCause(within(t))
				checkLost(t, root, dead, victim)
				if n.Leads() {
					leaders++
				}
			}
			if leaders != 1 {
				t.Errorf("%d of the survivors lead", leaders)
			}
		})
	}
}

func checkLost(t *testing.T, err error, dead Member, rank int) {
	t.Helper()
	var lost *MemberLost
	if !errors.As(err, &lost) {
		t.Errorf("cause %v", err)
		return
	}
	if lost.Member.ID != dead.ID || lost.Rank != rank || lost.Leader != (rank == 0) || lost.Generation != 1 || lost.LastHeard.IsZero() {
		t.Errorf("lost %+v", lost)
	}
	if want := fmt.Sprintf("rank %d (%s)", rank, dead); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("message %q does not name %q", err, want)
	}
}

// After Close everything returns, and says so.
func TestClosed(t *testing.T) {
	nodes, views := form(t, 2)
	n := nodes[1]
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := views[1].Cause(); !errors.Is(err, ErrClosed) {
		t.Errorf("the view ends with %v", err)
	}
	ctx := within(t)
	for name, f := range map[string]func(context.Context) error{"RootCause": n.RootCause, "Finish": n.Finish, "Leave": n.Leave} {
		if err := f(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.Abort(errors.New("too late"))
	n.Suspect(0)
	if n.Leads() {
		t.Error("a closed node leads")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// Waiting ends with the caller's context.
func TestWaitCancelled(t *testing.T) {
	n := start(t, testConfig(t, 0, 2))
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(ErrInterrupted)
	if _, err := n.WaitView(ctx); !errors.Is(err, ErrInterrupted) {
		t.Error(err)
	}
	if err := n.Leave(within(t)); err != nil {
		t.Error(err)
	}
}
