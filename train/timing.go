package train

import (
	"time"

	"ringloom/allreduce"
	"ringloom/nn"
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

// lap ends a part of the step under way: it is added to the epoch's timing and recorded. bucket is -1 where it is none's.
func (w *Worker) lap(watch *stopwatch, part *float64, kind timeline.Kind, bucket int) {
	if w.meter != nil {
		watch.last = time.Now()
		w.note(w.meter.lap(part, kind, w.steps, bucket))
		if len(w.meter.laps) > mostLaps {
			w.note(w.settle())
		}
		return
	}
	begin, end := watch.lap(part)
	w.Recorder.Record(kind, w.steps, bucket, 0, begin, end)
}

// recordComm records a collective of the step under way that Wait has just returned from.
func (w *Worker) recordComm(kind timeline.Kind, bucket int, bytes int64, p *allreduce.Pending) {
	started, finished := p.Times()
	w.Recorder.Record(kind, w.steps, bucket, bytes, started, finished)
}

// recordSum records the collective of a bucket that Wait has just returned from: of the gradients, or of f's last factor.
func (w *Worker) recordSum(bucket int, f *factored) {
	if f != nil {
		w.recordComm(timeline.Return, bucket, 4*int64(len(f.q)), w.pending[bucket])
		return
	}
	bk := w.tracker.plan[bucket]
	w.recordComm(timeline.Comm, bucket, 4*int64(bk.hi-bk.lo), w.pending[bucket])
}

// recordSince records what has lasted from begin until now and belongs to the last step that was taken.
func (w *Worker) recordSince(kind timeline.Kind, begin time.Time) {
	w.Recorder.Record(kind, w.steps-1, -1, 0, begin, time.Now())
}

// EventsPerStep is the most that a Recorder is given for a step, with the evaluation, checks and checkpoint that may come
// behind it.
func EventsPerStep(c Config, model nn.Info) int {
	passes := 2 * c.Accumulate
	if c.SyncBatchNorm {
		passes += passes * len(model.State) / 2 // a mean and a variance a layer
	}
	buckets := len(planBuckets(c.spans(model.Params), c.BucketBytes))
	each := 3
	if c.ShardOptimizer || c.PowerSGD > 0 {
		each += 3 // the way back: waited for, sent, and what is computed before
	}
	const data, verdict, clipped, behind = 1, 2, 2, 4
	return data + passes + verdict + each*buckets + clipped + behind
}
