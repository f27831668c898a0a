package measure

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"ringloom/timeline"
)

const ms = time.Millisecond

// record is a rank's record of steps of 10 ms forward, 20 ms backward with two buckets, and updates; the rank is slower
// by late in every backward, and step 0 waits for its batch.
func record(rank, steps int, late time.Duration) timeline.Rank {
	r := timeline.Rank{Rank: rank, Node: "box"}
	add := func(kind timeline.Kind, step, bucket int, bytes int64, begin, end time.Duration) {
		r.Events = append(r.Events, timeline.Event{Kind: kind, Step: int32(step), Bucket: int32(bucket), Bytes: bytes, Begin: begin, End: end})
	}
	for step := range steps {
		at := time.Duration(step) * 100 * ms
		data := time.Duration(0)
		if step == 0 {
			data = 50 * ms
		}
		add(timeline.Data, step, -1, 0, at, at+data)
		at += data
		add(timeline.Forward, step, -1, 0, at, at+10*ms)
		at += 10 * ms
		end := at + 20*ms + late
		add(timeline.Backward, step, -1, 0, at, end)
		done := at + 40*ms
		add(timeline.Wait, step, 0, 0, end, done)
		add(timeline.Comm, step, 0, 400, at+(20*ms+late)/4, done)
		add(timeline.Optimizer, step, 0, 0, done, done+ms)
		add(timeline.Wait, step, 1, 0, done+ms, done+ms)
		add(timeline.Comm, step, 1, 100, end, done+ms)
		add(timeline.Optimizer, step, 1, 0, done+ms, done+2*ms)
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestPointLeavesTheFirstStepOut(t *testing.T) {
	const steps = 4
	ranks := []timeline.Rank{record(0, steps+1, 0), record(1, steps+1, 5*ms)}
	p, err := newPoint(ranks, []process{{1, 0.5}, {1, 0.25}}, 64, steps)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ranks != 2 || p.Steps != steps || p.ThreadsPerRank != 1 || p.GlobalBatch != 64 || p.Mode != "" {
		t.Errorf("%+v", p)
	}
	// A step lasts to the next one's begin, but for the last.
	if !near(p.StepSeconds, 0.1) || !near(p.ImagesPerSecond, 640) {
		t.Errorf("a step of %v s, %v images/s", p.StepSeconds, p.ImagesPerSecond)
	}
	q := p.PerRank[1].Parts
	if q.Data != 0 || !near(q.Forward, 0.01) || !near(q.Backward, 0.025) || !near(q.ExposedComm, 0.015) || !near(q.Optimizer, 0.002) {
		t.Errorf("rank 1: %+v", q)
	}
	if straggler := p.PerRank[0].Parts.Straggler; !near(straggler, 0.005) || q.Straggler != 0 {
		t.Errorf("rank 0 waits %v s for rank 1, which waits %v s", straggler, q.Straggler)
	}
	if p.PerRank[0].CPUSeconds != 0.5 || p.PerRank[1].CPUSeconds != 0.25 || p.PerRank[1].Node != "box" {
		t.Errorf("%+v", p.PerRank)
	}
}

func TestPointNeedsAllSteps(t *testing.T) {
	_, err := newPoint([]timeline.Rank{record(0, 5, 0), record(1, 3, 0)}, make([]process, 2), 64, 4)
	if err == nil || !strings.Contains(err.Error(), "have not all of the 5 steps") {
		t.Errorf("got %v", err)
	}
}

func TestBucketsAndWhenTheyAreReady(t *testing.T) {
	bytes, ready := buckets(record(0, 3, 4*ms).Events)
	if !slices.Equal(bytes, []int64{400, 100}) || len(ready) != 2 || !near(ready[0], 0.25) || !near(ready[1], 1) {
		t.Errorf("%v ready at %v", bytes, ready)
	}
	if bytes, ready := buckets(nil); bytes != nil || ready != nil {
		t.Errorf("of nothing: %v, %v", bytes, ready)
	}
}
