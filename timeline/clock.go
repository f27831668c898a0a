package timeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Clock relates a rank's clock to rank 0's at a moment.
type Clock struct {
	// At is the moment, in nanoseconds since 1970 by the rank's own clock.
	At int64
	// Offset is to add to the rank's clock to get rank 0's. The true one lies within Uncertainty of it, in either
	// direction.
	Offset, Uncertainty time.Duration
}

// ErrClock is wrapped where readings contradict each other: a clock has jumped or runs at a wrong rate.
var ErrClock = errors.New("clock readings contradict each other")

// clockRounds is the number of all-gathers of a measurement. The quickest in each direction counts, so with more rounds
// there is one in which nobody was held up; a round takes as long as a message needs to go round the ring.
const clockRounds = 24

// reading is what a rank's clock showed before and after a round of AllGatherBytes.
type reading struct{ before, after int64 }

const readingBytes = 16

// MeasureClock compares all ranks' clocks with rank 0's; it is a collective. now is this rank's clock in nanoseconds
// since 1970.
//
// In each round all ranks note the time, take part in an AllGatherBytes and note the time again. It returns only when
// it has everybody's block, so "before" on any rank precedes "after" on any other. With rank 0 this bounds a rank's
// offset from both sides, and each round narrows the bounds; nothing is assumed about the two directions being equally
// fast.
func MeasureClock(ctx context.Context, ring Ring, rank int, now func() int64) (Clock, error) {
	block := make([]byte, 0, clockRounds*readingBytes)
	for range clockRounds {
		before := now()
		if _, err := ring.AllGatherBytes(ctx, nil); err != nil {
			return Clock{}, fmt.Errorf("comparing clocks: %w", err)
		}
		block = binary.LittleEndian.AppendUint64(block, uint64(before))
		block = binary.LittleEndian.AppendUint64(block, uint64(now()))
	}
	blocks, err := ring.AllGatherBytes(ctx, block)
	if err != nil {
		return Clock{}, fmt.Errorf("comparing clocks: %w", err)
	}
	for r, b := range blocks {
		if len(b) != len(block) {
			return Clock{}, fmt.Errorf("comparing clocks: rank %d sent %d bytes, not %d", r, len(b), len(block))
		}
	}
	return compare(rank, decodeReadings(blocks[0]), decodeReadings(blocks[rank]))
}

func decodeReadings(b []byte) []reading {
	rounds := make([]reading, len(b)/readingBytes)
	for i := range rounds {
		at := b[i*readingBytes:]
		rounds[i] = reading{int64(binary.LittleEndian.Uint64(at)), int64(binary.LittleEndian.Uint64(at[8:]))}
	}
	return rounds
}

// compare estimates what to add to rank's clock to get rank 0's, from their readings of the same rounds.
func compare(rank int, zero, own []reading) (Clock, error) {
	c := Clock{At: own[len(own)-1].after}
	if rank == 0 {
		return c, nil
	}
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	for i := range zero {
		least = max(least, zero[i].before-own[i].after)
		most = min(most, zero[i].after-own[i].before)
	}
	if least > most {
		return Clock{}, fmt.Errorf("%w: rank %d is at least %v and at most %v behind rank 0", ErrClock, rank, time.Duration(least), time.Duration(most))
	}
	half := (most - least + 1) / 2
	c.Offset, c.Uncertainty = time.Duration(least+(most-least)/2), time.Duration(half)
	return c, nil
}

// Align sets the rank's offset by a measurement before what was recorded and one after it. In between the offset is
// taken to change evenly, and the events are moved so that one Offset holds for all.
func (r *Rank) Align(first, last Clock) {
	r.Offset, r.Uncertainty = last.Offset, max(first.Uncertainty, last.Uncertainty)
	span := float64(last.At - first.At)
	if span <= 0 {
		return
	}
	slope := float64(last.Offset-first.Offset) / span
	move := func(t time.Duration) time.Duration {
		return t + time.Duration(math.Round(slope*float64(r.Origin+int64(t)-last.At)))
	}
	for i := range r.Events {
		e := &r.Events[i]
		e.Begin, e.End = move(e.Begin), move(e.End)
	}
}
