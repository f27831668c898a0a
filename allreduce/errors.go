package allreduce

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of failure. An *Error matches exactly one of them with errors.Is.
var (
	ErrConfig        = errors.New("invalid ring configuration")
	ErrTimeout       = errors.New("no progress before the deadline")
	ErrNeighbourLost = errors.New("ring neighbour lost")
	ErrCorrupt       = errors.New("corrupt frame")
	ErrProtocol      = errors.New("ring protocol broken")
	ErrMismatch      = errors.New("ranks disagree about the collective")
	ErrSlowConsumer  = errors.New("frames were dropped by a full queue")
	ErrTransport     = errors.New("ring transport failed")
	ErrAborted       = errors.New("ended by another rank")
	ErrCancelled     = errors.New("cancelled on this rank")
	ErrClosed        = errors.New("ring closed")
)

// advice says what to do about each kind.
var advice = map[error]string{
	ErrTimeout:       "look at that rank's log, or raise the deadline if it is only slow",
	ErrNeighbourLost: "look at that rank's log for the first error",
	ErrCorrupt:       "check the network and memory of both hosts",
	ErrProtocol:      "run the same build and configuration on all ranks",
	ErrMismatch:      "run the same build, model and configuration on all ranks",
	ErrSlowConsumer:  "lower the window, or look at what stalls this process",
	ErrTransport:     "look at this rank's server warnings",
}

// Error is what ends a group. It says which rank saw what, and where in the ring.
type Error struct {
	Kind      error         // one of the sentinels above
	Rank      int           // the rank that reports
	Neighbour int           // the ring neighbour at the other end, -1 if none is concerned
	Origin    int           // for ErrAborted the rank where the failure began, else Rank
	Op        string        // "all-reduce", "reduce-scatter", "all-gather", "broadcast", "barrier", "all-gather of bytes", or "" when idle
	Bucket    int           // the caller's bucket number; 0 unless Op is one of the first three
	Step      uint64        // number of the collective in this view, from 1; 0 when idle
	LastHeard time.Time     // when the neighbour was last heard from; zero if never
	Silence   time.Duration // how long that was before the error
	Err       error         // the cause
}

// Error is one line: where, what, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rank %d: ", e.Rank)
	switch {
	case e.Op == "":
		b.WriteString("idle ring: ")
	case e.Op == opAllReduce.String(), e.Op == opReduceScatter.String(), e.Op == opAllGather.String():
		fmt.Fprintf(&b, "%s of bucket %d (collective %d): ", e.Op, e.Bucket, e.Step)
	default:
		fmt.Fprintf(&b, "%s (collective %d): ", e.Op, e.Step)
	}
	b.WriteString(e.Kind.Error())
	if e.Kind == ErrAborted {
		fmt.Fprintf(&b, " (rank %d)", e.Origin)
	} else if e.Neighbour >= 0 {
		fmt.Fprintf(&b, ": rank %d", e.Neighbour)
		if e.LastHeard.IsZero() {
			b.WriteString(", never heard from")
		} else {
			fmt.Fprintf(&b, ", last heard from %v before (%s)", e.Silence.Round(time.Millisecond), e.LastHeard.Format("15:04:05.000"))
		}
	}
	if e.Err != nil {
		// A cause that wraps the kind repeats its text, which has been written already.
		fmt.Fprintf(&b, ": %s", strings.TrimPrefix(e.Err.Error(), e.Kind.Error()+": "))
	}
	if hint := advice[e.Kind]; hint != "" {
		fmt.Fprintf(&b, "; %s", hint)
	}
	return b.String()
}

// Unwrap gives the kind and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// kindOf is the sentinel that a transport's error matches, ErrNeighbourLost if none.
func kindOf(err error) error {
	for _, kind := range []error{ErrSlowConsumer, ErrTransport, ErrProtocol, ErrCorrupt} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return ErrNeighbourLost
}
