package timeline

import (
	"context"
	"fmt"
	"time"
)

// Rank is one rank's record, ready to be sent to the others and merged with theirs.
type Rank struct {
	Rank         int
	Node, Device string
	// Origin is the wall clock of the recorder's origin, in nanoseconds since 1970, of that rank's own clock.
	Origin int64
	// Offset is to add to that rank's clock to get rank 0's; it is right to within Uncertainty.
	Offset, Uncertainty time.Duration
	// Dropped is the number of events that were recorded and are not in Events.
	Dropped int
	// Events are in the order of recording. Those of collectives come after the wait for them.
	Events []Event
}

// Last keeps the events of the last steps alone, as many as steps says.
func (r *Rank) Last(steps int) {
	newest := int32(-1)
	for _, e := range r.Events {
		newest = max(newest, e.Step)
	}
	for i, e := range r.Events {
		if int(e.Step) > int(newest)-steps {
			r.Dropped += i
			r.Events = r.Events[i:]
			return
		}
	}
}

// at is a time of an event on rank 0's clock, in nanoseconds since 1970.
func (r *Rank) at(t time.Duration) int64 { return r.Origin + int64(r.Offset) + int64(t) }

// Ring is what Gather and MeasureClock need from the ring; *allreduce.Group implements it. AllGatherBytes gives every
// rank the blocks of all ranks, by rank, and returns only when it has those of all. A block may have up to
// MaxBlockBytes.
type Ring interface {
	AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error)
}

// Gather gives every rank all ranks' records. The error wraps ErrTooLarge, on the rank that it concerns and before
// anything is sent, or ErrFormat, or is the ring's.
func Gather(ctx context.Context, ring Ring, local Rank) ([]Rank, error) {
	block, err := local.MarshalBinary()
	if err != nil {
		return nil, err
	}
	blocks, err := ring.AllGatherBytes(ctx, block)
	if err != nil {
		return nil, fmt.Errorf("gathering the ranks' timelines: %w", err)
	}
	ranks := make([]Rank, len(blocks))
	for i, b := range blocks {
		if err := ranks[i].UnmarshalBinary(b); err != nil {
			return nil, fmt.Errorf("the timeline of rank %d: %w", i, err)
		}
	}
	return ranks, nil
}
