package train

import (
	"time"

	"ringloom/nn/op"
	"ringloom/timeline"
)

// meter tells where an accelerator's time goes. The host is ahead of it and says what comes next, so the host's own time means nothing.
// A lap lasts from one mark in the accelerator's queue to the next. Marks are read when a later outcome has arrived, and so
// have been passed: nothing waits for them. A nil meter is that of a device whose time is the host's.
//
// A lap that ends a wait for the ring is the time in which the accelerator had nothing to do before the host knew
// the sum: exposed communication. Bringing a sum to the accelerator is a part of the update.
type meter struct {
	acc  op.Accelerator
	laps []deviceLap // not read yet, but for the first, from whose mark the others go on
	// quiet leaves out what is bound to last no time: the waits of a run whose sums do not travel.
	quiet   bool
	forward int       // index in laps of the last forward pass, 0 without
	end     time.Time // of the last lap that was read, by the host's clock
}

// deviceLap is what the accelerator did before a mark.
type deviceLap struct {
	mark         op.Mark
	part         *float64 // the seconds that it is added to; nil for what lies between two steps
	kind         timeline.Kind
	step, bucket int
}

// lap ends a part of the step under way; its length is known later.
func (m *meter) lap(part *float64, kind timeline.Kind, step, bucket int) error {
	if m.quiet && (kind == timeline.Wait || kind == timeline.Optimizer && bucket >= 0) {
		return nil
	}
	mark, err := m.acc.Mark()
	if err != nil {
		return err
	}
	if kind == timeline.Forward {
		m.forward = len(m.laps)
	}
	m.laps = append(m.laps, deviceLap{mark, part, kind, step, bucket})
	return nil
}

// mostLaps is how many may wait to be read: marks do not last for ever.
const mostLaps = 96

// beginLaps marks the beginning of a step.
func (w *Worker) beginLaps() {
	if w.meter != nil {
		w.note(w.meter.lap(nil, timeline.Data, w.steps, -1))
	}
}

// readForward is called when the outcome of the last forward pass has just arrived.
func (w *Worker) readForward() { w.note(w.readLaps(w.meter.forward)) }

// lapUpdates ends the update of all buckets where meter.quiet leaves out each one's.
func (w *Worker) lapUpdates(watch *stopwatch, t *Timing) {
	if w.meter != nil && w.meter.quiet {
		w.lap(watch, &t.Optimizer, timeline.Optimizer, -1)
	}
}

// settle waits until the accelerator has done everything, and reads all laps.
func (w *Worker) settle() error {
	if w.meter == nil {
		return nil
	}
	return w.readLaps(len(w.meter.laps) - 1)
}

// settleBefore is settle before something that the host's watch measures.
func (w *Worker) settleBefore(watch *stopwatch) error {
	if w.meter != nil {
		defer func() { watch.last = time.Now() }()
	}
	return w.settle()
}

// readLaps adds laps up to one to the epoch's timing, and records them. That one has just ended; the others lie before it.
func (w *Worker) readLaps(last int) error {
	m := w.meter
	if last < 1 {
		return nil
	}
	all, err := m.laps[last].mark.Since(m.laps[0].mark)
	if err != nil {
		return err
	}
	at := time.Now().Add(-all)
	for i := 1; i <= last; i++ {
		l := &m.laps[i]
		took, err := l.mark.Since(m.laps[i-1].mark)
		if err != nil {
			return err
		}
		begin := at
		at = at.Add(took)
		if l.part == nil {
			continue
		}
		*l.part += took.Seconds()
		// The host learns of an end now sooner, now later: what is recorded must not overlap for that.
		w.Recorder.Record(l.kind, l.step, l.bucket, 0, later(begin, m.end), later(at, m.end))
	}
	m.end = at
	m.laps = m.laps[:copy(m.laps, m.laps[last:])]
	m.forward = max(0, m.forward-last)
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// note keeps the first error of what cannot return one, for the step to end with.
func (w *Worker) note(err error) {
	if w.late == nil {
		w.late = err
	}
}
