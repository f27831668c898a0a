package train

import (
	"time"

	"ringloom/nn/op"
	"ringloom/timeline"
)

// meter tells where an accelerator's time goes. The host is ahead of it and says what comes next, so the host's own time
// means nothing. A part lasts from one mark in the accelerator's queue to the next. Marks are read when a later outcome has
// arrived, and so have been passed: nothing waits for them.
//
// A part that ends a wait for the ring is the time in which the accelerator had nothing to do before the host knew
// the sum: exposed communication. Bringing a sum to the accelerator is a part of the update.
type meter struct {
	acc   op.Accelerator
	marks []mark // not read yet, but for the first, from which the others go on
	// quiet leaves out what is bound to last no time: the waits of a run whose sums do not travel.
	quiet    bool
	forward  int       // index in marks of the end of the last forward pass, 0 without
	end      time.Time // of the last part that was read, by the host's clock
	recorder *timeline.Recorder
}

// mark ends a part of a step.
type mark struct {
	op.Mark
	part         *float64 // the seconds that it is added to; nil for what lies between two steps
	kind         timeline.Kind
	step, bucket int
}

// mark ends a part of the step under way; its length is known later.
func (m *meter) mark(part *float64, kind timeline.Kind, step, bucket int) error {
	if m.quiet && kind == timeline.Wait {
		return nil
	}
	at, err := m.acc.Mark()
	if err != nil {
		return err
	}
	if kind == timeline.Forward {
		m.forward = len(m.marks)
	}
	m.marks = append(m.marks, mark{at, part, kind, step, bucket})
	return nil
}

// mostMarks is how many may wait to be read: they do not last for ever.
const mostMarks = 96

func (m *meter) full() bool { return len(m.marks) > mostMarks }

// readForward reads up to the end of the last forward pass, which has been passed.
func (m *meter) readForward() error { return m.read(m.forward) }

// readAll waits until the accelerator has done everything.
func (m *meter) readAll() error { return m.read(len(m.marks) - 1) }

// read adds the parts up to one to the epoch's timing, and records them. That one has just ended; the others lie before it.
func (m *meter) read(last int) error {
	if last < 1 {
		return nil
	}
	all, err := m.marks[last].Since(m.marks[0].Mark)
	if err != nil {
		return err
	}
	at := time.Now().Add(-all)
	for i := 1; i <= last; i++ {
		k := &m.marks[i]
		took, err := k.Since(m.marks[i-1].Mark)
		if err != nil {
			return err
		}
		begin := at
		at = at.Add(took)
		if k.part == nil {
			continue
		}
		*k.part += took.Seconds()
		// The host learns of an end now sooner, now later: what is recorded must not overlap for that.
		m.recorder.Record(k.kind, k.step, k.bucket, 0, later(begin, m.end), later(at, m.end))
	}
	m.end = at
	m.marks = m.marks[:copy(m.marks, m.marks[last:])]
	m.forward = max(0, m.forward-last)
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
