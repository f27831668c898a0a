package natsringtest

import (
	"math/rand/v2"
	"time"
)

// Faults are the probabilities, from 0 to 1, with which a message that a client publishes suffers each fault.
type Faults struct {
	Seed      uint64
	Drop      float64
	Duplicate float64
	Reorder   float64 // swapped with the message after it on the same connection
	Corrupt   float64 // one bit of the payload is flipped
	Truncate  float64 // the payload loses bytes at its end, and the message says so
	Raw       float64 // one byte of the message, of its protocol line or payload, is replaced; also of what a server says
	Cut       float64 // the connection ends within the message
	Stall     float64 // the connection is not read any more, and stays open
	Delay     float64 // held up for up to MaxDelay, with all that follow it
	MaxDelay  time.Duration
}

// fate is what happens to one message.
type fate uint8

const (
	pass fate = iota
	drop
	duplicate
	reorder
	corrupt
	truncate
	raw
	cut
	stall
)

// draw is the fate of the next message, and how long it is held up before.
func (f Faults) draw(random *rand.Rand) (fate, time.Duration) {
	var wait time.Duration
	if f.Delay > 0 && random.Float64() < f.Delay {
		wait = time.Duration(random.Int64N(int64(f.MaxDelay) + 1))
	}
	for _, c := range []struct {
		fate fate
		p    float64
	}{
		{drop, f.Drop},
		{duplicate, f.Duplicate},
		{reorder, f.Reorder},
		{corrupt, f.Corrupt},
		{truncate, f.Truncate},
		{raw, f.Raw},
		{cut, f.Cut},
		{stall, f.Stall},
	} {
		if c.p > 0 && random.Float64() < c.p {
			return c.fate, wait
		}
	}
	return pass, wait
}
