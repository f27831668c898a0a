package timeline

import "time"

// Event is something that a rank did.
type Event struct {
	Kind   Kind
	Step   int32 // step of the run, from 0
	Bucket int32 // of Comm, Return, Wait, Optimizer; -1 else
	Bytes  int64 // of Comm and Return: bytes of the bucket as float32, or of a factor; 0 else
	// Begin and End are the time since the recorder's origin.
	Begin, End time.Duration
}

// Recorder keeps the newest events of one rank. It belongs to the training thread. A nil *Recorder records nothing.
type Recorder struct {
	origin time.Time
	events []Event // the oldest is at next once the recorder is full
	next   int
	old    int   // events that newer ones have replaced
	cut    int32 // the step of the last of those
}

// NewRecorder makes a recorder with room for so many events, at least one, whose time begins now.
func NewRecorder(capacity int) *Recorder {
	return &Recorder{origin: time.Now(), events: make([]Event, 0, max(1, capacity))}
}

// Record keeps an event. It allocates nothing.
func (r *Recorder) Record(kind Kind, step, bucket int, bytes int64, begin, end time.Time) {
	if r == nil {
		return
	}
	e := Event{Kind: kind, Step: int32(step), Bucket: int32(bucket), Bytes: bytes, Begin: begin.Sub(r.origin), End: end.Sub(r.origin)}
	if len(r.events) < cap(r.events) {
		r.events = append(r.events, e)
		return
	}
	r.cut = r.events[r.next].Step
	r.events[r.next] = e
	r.next = (r.next + 1) % len(r.events)
	r.old++
}

// Now is this rank's clock: nanoseconds since 1970 by the wall clock at the origin, and monotonic from there.
func (r *Recorder) Now() int64 { return r.origin.UnixNano() + int64(time.Since(r.origin)) }

// Rank is a copy of what was recorded, from the oldest event to the newest. Where a step has lost its first events, its
// other events are left out too, so that every step in it is complete.
func (r *Recorder) Rank(rank int, node, device string) Rank {
	events := append(append(make([]Event, 0, len(r.events)), r.events[r.next:]...), r.events[:r.next]...)
	for r.old > 0 && len(events) > 0 && events[0].Step == r.cut {
		events = events[1:]
	}
	return Rank{
		Rank: rank, Node: node, Device: device, Origin: r.origin.UnixNano(),
		Dropped: r.old + len(r.events) - len(events), Events: events,
	}
}
