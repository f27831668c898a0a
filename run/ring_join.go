package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"ringloom/allreduce/natsring"
	"ringloom/cluster"
)

const (
	// ringPatience is how long a ring may take to form before it is said what is waited for.
	ringPatience = 2 * time.Second
	// ringReminder is how often it is said again.
	ringReminder = 5 * time.Second
	// blockedTries are enough to tell a firewall from a busy machine.
	blockedTries = 3
	// dialPatience is how long a port may take to answer, which takes a round trip.
	dialPatience = time.Second
)

// UnformedError is a ring that did not form, though the nodes had found each other. Every rank of such a run ends with it,
// whichever noticed first.
type UnformedError struct{ Err error }

func (e UnformedError) Error() string { return e.Err.Error() }

// Unwrap gives what went wrong.
func (e UnformedError) Unwrap() error { return e.Err }

// Unformed tells the cluster, and so the other ranks, that no work had begun.
func (e UnformedError) Unformed() bool { return true }

// joinRing is natsring.NewGroup, which open calls, and says what it waits for. Where a port does not answer, it does not
// wait for the whole time-out, so that the rank that sees this is the one that tells the others; the error names the port
// and the setting that chooses it.
func (s *Session) joinRing(ctx context.Context, join natsring.Config, open func(context.Context, natsring.Config) error) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watchJoin(within, join, cancel)
	}()
	err := open(within, join)
	blocked := errors.As(context.Cause(within), new(blockedError))
	cancel(nil)
	<-watched
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, natsring.ErrUnauthorized):
		return ClusterError{UnformedError{err}}
	case blocked || errors.Is(err, natsring.ErrConnect) || errors.Is(err, natsring.ErrJoin):
		if join.URL == "" {
			text, _ := s.describeNeighbours(ctx, join)
			err = fmt.Errorf("the nodes have found each other, but their ring has not formed: %s (%w)", text, err)
		}
		return ClusterError{UnformedError{err}}
	}
	return err
}

// watchJoin says what a ring that takes long waits for, until ctx ends. It gives up where a port does not answer.
func (s *Session) watchJoin(ctx context.Context, join natsring.Config, giveUp context.CancelCauseFunc) {
	timer := time.NewTimer(ringPatience)
	defer timer.Stop()
	tries := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		text, blocked := s.describeNeighbours(ctx, join)
		if ctx.Err() != nil {
			return
		}
		s.member.emit(Warning{"the ring is not there yet: " + text})
		if !blocked {
			tries = 0
		} else if tries++; tries == blockedTries {
			giveUp(blockedError{})
			return
		}
		timer.Reset(ringReminder)
	}
}

// blockedError is a port that does not answer, however often it is tried.
type blockedError struct{}

func (blockedError) Error() string { return fmt.Sprintf("tried %d times", blockedTries) }

// describeNeighbours tries the ports to which this rank connects for the ring, and says whether one does not answer.
func (s *Session) describeNeighbours(ctx context.Context, join natsring.Config) (text string, blocked bool) {
	if join.URL != "" {
		return "this rank waits for the others at the NATS server of --nats", false
	}
	var parts []string
	for _, rank := range []int{join.Ring.Prev(), join.Ring.Next()} {
		if rank == join.Ring.Prev() && rank == join.Ring.Next() && len(parts) > 0 {
			break // a ring of two
		}
		m, address := s.View.Members[rank], join.Addrs[rank]
		dialer := net.Dialer{Timeout: dialPatience}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			parts = append(parts, fmt.Sprintf("rank %d (%s) answers at %s", rank, m.Name, address))
			continue
		}
		blocked = true
		parts = append(parts, fmt.Sprintf("the NATS port of rank %d (%s), %s, cannot be reached from here (%s)", rank, m.Name, address, dialFailure(err)))
	}
	text = strings.Join(parts, "; ")
	if blocked {
		return text + ": let a firewall pass TCP to that port as to the gossip port, in both directions; --nats-bind gives it a fixed number on each node", true
	}
	return text + ", so those may not reach this rank, or others each other: their own messages say which", false
}

func dialFailure(err error) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Timeout():
		return "no answer"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// unformed says whether the root cause is a ring that did not form, on whichever rank.
func unformed(root error) bool {
	var aborted *cluster.Aborted
	return errors.As(root, &aborted) && aborted.Kind == cluster.Unformed
}
