package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"ringloom/allreduce"
	"ringloom/allreduce/natsring"
	"ringloom/cluster"
)

// A ring that does not form is a cluster that did not form, and the error names the port that cannot be reached and what
// chooses it.
func TestRingThatDoesNotForm(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close()
	s := &Session{
		View:   cluster.View{Members: []cluster.Member{{Name: "first"}, {Name: "second"}}, Rank: 1},
		member: NewMember(MemberConfig{}, nil),
	}
	ring := allreduce.DefaultConfig()
	ring.Rank, ring.WorldSize = 1, 2
	join := natsring.DefaultConfig(ring)
	join.Addrs = []string{address, "127.0.0.1:1"}
	fail := func(with error) error {
		return s.joinRing(t.Context(), join, func(context.Context, natsring.Config) error { return with })
	}
	for _, kind := range []error{natsring.ErrJoin, natsring.ErrConnect} {
		err := fail(fmt.Errorf("%w: tested", kind))
		var unformed UnformedError
		if !errors.As(err, new(ClusterError)) || !errors.As(err, &unformed) || !unformed.Unformed() {
			t.Errorf("%v is no cluster that did not form", err)
			continue
		}
		for _, want := range []string{"rank 0 (first), " + address + ", cannot be reached from here", "refused", "--nats-bind", "tested"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "second") {
			t.Errorf("%q names this rank as its neighbour", err)
		}
	}
	if err := fail(natsring.ErrUnauthorized); !errors.As(err, new(UnformedError)) {
		t.Errorf("a refused token is %v", err)
	}
	if err := fail(allreduce.ErrMismatch); !errors.Is(err, allreduce.ErrMismatch) || errors.As(err, new(ClusterError)) {
		t.Errorf("a mismatch becomes %v", err)
	}
	if err := fail(nil); err != nil {
		t.Error(err)
	}
}
