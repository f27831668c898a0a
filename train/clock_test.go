package train

import (
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/timeline"
	"ringloom/train/gradsync"
)

// recorded trains and returns every rank's record.
func recorded(t *testing.T, cfg Config, spec models.Spec, world int) []timeline.Rank {
	t.Helper()
	recorders := newRecorders(t, cfg, spec, world)
	_, errs := trainModel(t, cfg, spec, world, func(rank int, w *Worker) {
		w.Recorder, w.OnState = recorders[rank], func(State) error { return nil }
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return records(t, recorders)
}

// newRecorders are one for each rank, with as much room as EventsPerStep says that the run takes.
func newRecorders(t *testing.T, cfg Config, spec models.Spec, world int) []*timeline.Recorder {
	t.Helper()
	model, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		t.Fatal(err)
	}
	recorders := make([]*timeline.Recorder, world)
	for r := range recorders {
		recorders[r] = timeline.NewRecorder(EventsPerStep(cfg, model) * cfg.MaxSteps)
	}
	return recorders
}

// records are what the recorders hold, which must be all of it.
func records(t *testing.T, recorders []*timeline.Recorder) []timeline.Rank {
	t.Helper()
	ranks := make([]timeline.Rank, len(recorders))
	for r := range ranks {
		ranks[r] = recorders[r].Rank(r, "node", "device")
		if ranks[r].Dropped != 0 {
			t.Errorf("rank %d: EventsPerStep leaves no room for %d events", r, ranks[r].Dropped)
		}
	}
	return ranks
}

func TestEveryPartOfEveryStepIsRecorded(t *testing.T) {
	cfg := testConfig()
	cfg.MaxSteps, cfg.CheckEvery, cfg.CheckpointEvery = 8, 3, 4 // six steps make an epoch
	spec := specOf(t, cfg.Model)
	info, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		t.Fatal(err)
	}
	plan := gradsync.NewPlan(cfg.gradients(0, 2), info.Params)
	ranks := recorded(t, cfg, spec, 2)
	for r, rank := range ranks {
		type what struct {
			kind         timeline.Kind
			step, bucket int32
		}
		count := map[what]int{}
		var last time.Duration
		for _, e := range rank.Events {
			count[what{e.Kind, e.Step, e.Bucket}]++
			if e.End < e.Begin {
				t.Errorf("rank %d: %+v ends before it begins", r, e)
			}
			if e.Kind == timeline.Comm || e.Kind == timeline.Verdict {
				continue
			}
			if e.Begin < last {
				t.Errorf("rank %d: %v of step %d begins at %v, before %v", r, e.Kind, e.Step, e.Begin, last)
			}
			last = e.End
		}
		want := map[what]int{}
		for step := range int32(8) {
			for _, k := range []timeline.Kind{timeline.Data, timeline.Forward, timeline.Backward, timeline.Wait, timeline.Optimizer, timeline.Verdict} {
				want[what{k, step, -1}] = 1
			}
			for b := range int32(len(plan)) {
				for _, k := range []timeline.Kind{timeline.Comm, timeline.Wait} {
					want[what{k, step, b}] = 1
				}
			}
		}
		for step, n := range map[int32]int{2: 1, 5: 2, 7: 1} { // every third, and at each epoch's end
			want[what{timeline.Check, step, -1}] = n
		}
		for _, step := range []int32{3, 5, 7} {
			want[what{timeline.Checkpoint, step, -1}] = 1
		}
		want[what{timeline.Eval, 5, -1}], want[what{timeline.Eval, 7, -1}] = 1, 1
		for w, n := range want {
			if count[w] != n {
				t.Errorf("rank %d: %v of step %d, bucket %d recorded %d times, want %d", r, w.kind, w.step, w.bucket, count[w], n)
			}
		}
		if len(count) != len(want) {
			t.Errorf("rank %d: %d kinds of event, want %d", r, len(count), len(want))
		}
		checkComm(t, r, rank.Events, plan)
	}
	for r, steps := range timeline.Breakdown(ranks) {
		if len(steps) != 8 {
			t.Errorf("rank %d: %d whole steps, want 8", r, len(steps))
		}
		for _, s := range steps {
			if sum := s.Data + s.Forward + s.Backward + s.ExposedComm + s.Optimizer + s.Other; math.Abs(sum-s.Total) > 1e-9 ||
				s.Forward <= 0 || s.Backward <= 0 || s.Other < 0 || s.Straggler < 0 || s.HiddenComm < 0 {
				t.Errorf("rank %d: %+v", r, s)
			}
		}
	}
}

// checkComm checks that buckets start while backward runs, in the plan's order, and are complete before their wait ends.
func checkComm(t *testing.T, rank int, events []timeline.Event, plan gradsync.Plan) {
	t.Helper()
	var backward timeline.Event
	waits := map[int32]timeline.Event{}
	var before timeline.Event
	for _, e := range events {
		switch e.Kind {
		case timeline.Backward:
			backward, before = e, timeline.Event{}
		case timeline.Wait:
			waits[e.Bucket] = e
		case timeline.Comm:
			if e.Begin < backward.Begin || e.Begin > backward.End || e.Begin < before.Begin || e.End < before.End || e.End > waits[e.Bucket].End {
				t.Errorf("rank %d: %+v, the bucket before it %+v, backward %+v", rank, e, before, backward)
			}
			if b := plan[e.Bucket]; e.Bytes != int64(4*b.Len()) {
				t.Errorf("rank %d: bucket %d has %d bytes, want %d", rank, e.Bucket, e.Bytes, 4*b.Len())
			}
			before = e
		}
	}
}

func TestMicroBatchesAndMomentsAreRecorded(t *testing.T) {
	cfg := normConfig()
	cfg.MaxSteps, cfg.Accumulate, cfg.SyncBatchNorm, cfg.ClipNorm = 3, 2, true, 1
	for r, rank := range recorded(t, cfg, normSpec, 2) {
		of := func(kind timeline.Kind) []timeline.Event {
			return slices.DeleteFunc(slices.Clone(rank.Events), func(e timeline.Event) bool { return e.Kind != kind })
		}
		passes := append(of(timeline.Forward), of(timeline.Backward)...)
		moments := of(timeline.Moments)
		if len(passes) != 3*2*2 || len(moments) != 3*2*2*2 {
			t.Errorf("rank %d: %d passes and %d exchanges of moments, want 12 and 24", r, len(passes), len(moments))
		}
		for _, m := range moments {
			if !slices.ContainsFunc(passes, func(p timeline.Event) bool { return p.Step == m.Step && p.Begin <= m.Begin && m.End <= p.End }) {
				t.Errorf("rank %d: %+v lies in no pass", r, m)
			}
		}
	}
}

// With a sharded optimizer every bucket comes back, with PowerSGD those that travel as factors.
func TestWaysBackAreRecorded(t *testing.T) {
	shards, factors := denseConfig(), denseConfig()
	shards.ShardOptimizer, shards.ClipNorm, factors.PowerSGD = true, 1, 2
	for _, cfg := range []Config{shards, factors} {
		cfg.MaxSteps = 3
		for r, rank := range recorded(t, cfg, denseSpec, 2) {
			back := map[int32]int{}
			var comm, wait timeline.Event
			for _, e := range rank.Events {
				switch e.Kind {
				case timeline.Comm:
					comm = e
				case timeline.Wait:
					wait = e
				case timeline.Return:
					back[e.Bucket]++
					if e.Bytes == 0 || e.Begin < comm.Begin || e.End > wait.End || wait.Bucket != e.Bucket {
						t.Errorf("rank %d: %+v behind %+v and %+v", r, e, comm, wait)
					}
				}
			}
			want := map[int32]int{0: 3, 1: 3}
			if cfg.PowerSGD > 0 {
				want = map[int32]int{2: 3}
			}
			if !maps.Equal(back, want) {
				t.Errorf("rank %d: %v ways back by bucket, want %v", r, back, want)
			}
		}
	}
}
