package train

import (
	"context"
	"fmt"
	"time"

	"ringloom/allreduce"
	"ringloom/nn/op"
	"ringloom/timeline"
	"ringloom/train/optim"
)

// momentSync averages batch norm's moments over ranks in the middle of a pass (Config.SyncBatchNorm). Passes are the same
// on all ranks but for the batch, so these collectives come in the same places between those of the gradients. nil does
// nothing.
type momentSync struct {
	ring   *allreduce.Group
	bucket int // a number that no other collective of a step has

	ctx    context.Context // of the step under way
	weight float32         // this rank's share of the samples
	waited float64         // seconds

	recorder *timeline.Recorder
	step     int // of the run
}

// begin prepares the passes over a micro-batch of a step of the run.
func (s *momentSync) begin(ctx context.Context, step int, mb microBatch) {
	if s == nil {
		return
	}
	s.ctx, s.step, s.weight = ctx, step, float32(mb.hi-mb.lo)/float32(mb.shared)
}

// average makes means over this rank's samples means over all ranks'.
func (s *momentSync) average(values []float32) error {
	begin := time.Now()
	if s.weight == 0 {
		clear(values)
	}
	for i := range values {
		values[i] *= s.weight
	}
	err := s.ring.StartAllReduce(values, allreduce.Sum{Bucket: s.bucket}).Wait(s.ctx)
	end := time.Now()
	s.waited += end.Sub(begin).Seconds()
	s.recorder.Record(timeline.Moments, s.step, -1, 0, begin, end)
	return err
}

// moveWaits books the time of the exchanges since the last call under to instead of from.
func (s *momentSync) moveWaits(from, to *float64) {
	if s == nil {
		return
	}
	*from -= s.waited
	*to += s.waited
	s.waited = 0
}

// runningMoments are those of batch norm. A rank's own may stand aside while the mean over all ranks is in their place, and
// those of the step before are kept on the device until a step is committed.
type runningMoments struct {
	values op.Buffer // the parameters' StateValues; empty without batch norm
	own    []float32
	shared bool

	before         op.Buffer
	save, takeBack optim.Call
}

func newRunningMoments(device op.Device, values op.Buffer) (*runningMoments, error) {
	m := &runningMoments{values: values}
	n := len(values.Host)
	if n == 0 {
		return m, nil
	}
	failed := func(err error) (*runningMoments, error) { return nil, fmt.Errorf("preparing running moments: %w", err) }
	var err error
	if m.before, err = device.Alloc(n); err != nil {
		return failed(err)
	}
	if m.save, err = optim.NewCopy(device, m.before, values, n); err != nil {
		return failed(err)
	}
	if m.takeBack, err = optim.NewCopy(device, values, m.before, n); err != nil {
		return failed(err)
	}
	return m, nil
}

// remember keeps them as they are before a step, which changes them in its forward passes.
func (m *runningMoments) remember() error {
	if len(m.values.Host) == 0 {
		return nil
	}
	return m.save.Run()
}

// restore makes them again what they were before the step.
func (m *runningMoments) restore() error {
	if len(m.values.Host) == 0 {
		return nil
	}
	return m.takeBack.Run()
}

// shareMoments puts the mean of all ranks' running moments in the place of this rank's own, until ownMoments: what is
// evaluated and stored is the same on all ranks. Ranks count equally, for running moments are means over steps, of which
// all ranks take as many, with batches that differ by one sample at most. Training goes on with each rank's own, so that
// a run's numbers do not depend on how often it is stored.
func (w *Worker) shareMoments(ctx context.Context) error {
	state := w.params.StateValues.Host
	if w.moments.shared || len(state) == 0 {
		return nil
	}
	if err := op.Pull(w.Device, w.params.StateValues); err != nil {
		return err
	}
	w.moments.own = append(w.moments.own[:0], state...)
	w.moments.shared = true // whatever a sum that fails leaves there is not this rank's own
	if err := w.Ring.AllReduce(ctx, state); err != nil {
		return fmt.Errorf("averaging batch norm's running moments: %w", err)
	}
	for i := range state {
		state[i] /= float32(w.WorldSize)
	}
	return op.Push(w.Device, w.params.StateValues)
}

// ownMoments takes back what shareMoments has put aside.
func (w *Worker) ownMoments() error {
	if !w.moments.shared {
		return nil
	}
	copy(w.params.StateValues.Host, w.moments.own)
	w.moments.shared = false
	return op.Push(w.Device, w.params.StateValues)
}
