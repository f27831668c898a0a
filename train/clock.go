package train

import (
	"time"

	"ringloom/allreduce"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/timeline"
)

// Timing is where one rank's epoch went, in seconds of its training thread. ExposedComm is the wait for collectives
// that backward did not hide. Optimizer is all that is computed with the sums, PowerSGD's share included.
//
// On an accelerator Forward, Backward, ExposedComm and Optimizer are the accelerator's time, between marks in its queue
// (meter.go): Forward has the way of the images to it, ExposedComm is how long it had nothing to do before the host knew the
// next sum, the gradients' way to the host included, and Optimizer has the sum's way back. With SyncBatchNorm the
// exchanges in the middle of the passes are measured on the host. Data, Evaluation and Total are the host's time; it waits for
// data while the accelerator still computes, so that the parts may add up to more than Total.
type Timing struct {
	Data        float64 `json:"data_seconds"`
	Forward     float64 `json:"forward_seconds"`
	Backward    float64 `json:"backward_seconds"`
	ExposedComm float64 `json:"exposed_comm_seconds"`
	Optimizer   float64 `json:"optimizer_seconds"`
	Evaluation  float64 `json:"evaluation_seconds"`
	Total       float64 `json:"total_seconds"`
	// SentBytes are those that this rank sent to the next in the epoch's steps, frame headers included.
	SentBytes uint64 `json:"sent_bytes"`
}

// part is where the time of a kind of event is booked; nil where it is not.
func (t *Timing) part(kind timeline.Kind) *float64 {
	switch kind {
	case timeline.Data:
		return &t.Data
	case timeline.Forward:
		return &t.Forward
	case timeline.Backward:
		return &t.Backward
	case timeline.Wait, timeline.Check:
		return &t.ExposedComm
	case timeline.Optimizer:
		return &t.Optimizer
	}
	return nil
}

// stopwatch splits time into consecutive laps.
type stopwatch struct{ last time.Time }

func startWatch() stopwatch { return stopwatch{time.Now()} }

// lap adds the time since the previous lap to a part, and returns where it begins and ends.
func (s *stopwatch) lap(part *float64) (begin, end time.Time) {
	begin, end = s.last, time.Now()
	*part += end.Sub(begin).Seconds()
	s.last = end
	return begin, end
}

// clock books where the training thread's time goes, and records it. It is a gradsync.Clock. Whatever belongs to a step
// follows without a gap on what was booked before; on an accelerator its own clock counts (meter).
type clock struct {
	recorder *timeline.Recorder
	timing   *Timing // of the epoch under way
	step     int     // under way, of the run
	host     stopwatch
	meter    *meter // nil on a device whose time is the host's
	err      error  // the first of the meter's
}

func newClock(device op.Device, quiet bool) *clock {
	c := &clock{}
	if acc, ok := op.AsAccelerator(device); ok {
		c.meter = &meter{acc: acc, quiet: quiet}
	}
	return c
}

// recordTo records what comes next there; nil records nothing.
func (c *clock) recordTo(r *timeline.Recorder) {
	c.recorder = r
	if c.meter != nil {
		c.meter.recorder = r
	}
}

// restart books from now on, to an epoch's timing.
func (c *clock) restart(t *Timing) { c.timing, c.host = t, startWatch() }

// data books the wait for a batch of a step, which began at a time.
func (c *clock) data(step int, began time.Time) {
	_, end := c.host.lap(&c.timing.Data)
	c.recorder.Record(timeline.Data, step, -1, 0, began, end)
}

// beginStep is called when a step's passes begin.
func (c *clock) beginStep(step int) {
	c.step = step
	if c.meter != nil {
		c.note(c.meter.mark(nil, timeline.Data, step, -1))
	}
}

// Charge books the time since the last call to a part of the step under way. bucket is -1 where it is none's.
func (c *clock) Charge(kind timeline.Kind, bucket int) {
	part := c.timing.part(kind)
	if c.meter != nil {
		c.host.last = time.Now()
		c.note(c.meter.mark(part, kind, c.step, bucket))
		if c.meter.full() {
			c.drain()
		}
		return
	}
	begin, end := c.host.lap(part)
	c.recorder.Record(kind, c.step, bucket, 0, begin, end)
}

// Collective records a collective of the step under way that Wait has just returned from.
func (c *clock) Collective(kind timeline.Kind, bucket int, bytes int64, p *allreduce.Pending) {
	started, finished := p.Times()
	c.recorder.Record(kind, c.step, bucket, bytes, started, finished)
}

// readForward is called when the outcome of the last forward pass has just arrived.
func (c *clock) readForward() {
	if c.meter != nil {
		c.note(c.meter.readForward())
	}
}

// drain waits until the accelerator has done everything, and books all of it.
func (c *clock) drain() {
	if c.meter != nil {
		c.note(c.meter.readAll())
		c.host.last = time.Now()
	}
}

// check books a comparison of the parameters, which began when the time before was booked.
func (c *clock) check() {
	begin, end := c.host.lap(c.timing.part(timeline.Check))
	c.recorder.Record(timeline.Check, c.step, -1, 0, begin, end)
}

// since records what has lasted from begin until now and belongs to the last step that was taken.
func (c *clock) since(kind timeline.Kind, begin time.Time) {
	c.recorder.Record(kind, c.step, -1, 0, begin, time.Now())
}

// note keeps the first error of what cannot return one, for the step to end with.
func (c *clock) note(err error) {
	if c.err == nil {
		c.err = err
	}
}

// charge books a pass. What it waited for other ranks' moments is communication.
func (w *Worker) charge(pass timeline.Kind) {
	w.clock.Charge(pass, -1)
	w.sync.moveWaits(w.clock.timing.part(pass), &w.clock.timing.ExposedComm)
}

// EventsPerStep is the most that a Recorder is given for a step, with the evaluation, checks and checkpoint that may come
// behind it.
func EventsPerStep(c Config, model nn.Info) int {
	passes := 2 * c.Accumulate
	if c.SyncBatchNorm {
		passes += passes * len(model.State) / 2 // a mean and a variance a layer
	}
	const data, behind = 1, 4
	return data + passes + c.gradients(0, 2).EventsPerStep(model.Params) + behind
}
