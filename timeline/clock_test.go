package timeline

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
)

// Whatever the delays, and however unequal the two directions, the true offset lies within the uncertainty.
func TestOffsetsAreBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		offset := random.Int64N(2e9) - 1e9 // the other clock shows less than rank 0's by it
		there, back := 1+random.Int64N(1e6), 1+random.Int64N(1e6)
		var zero, own []reading
		best := int64(1 << 62)
		for at := int64(1e18); len(zero) < 10; at += 1e7 {
			enter0, enter1 := at+random.Int64N(1e6), at+random.Int64N(1e6)
			leave0 := max(enter0, enter1+back+random.Int64N(1e5)) + random.Int64N(1e4)
			leave1 := max(enter1, enter0+there+random.Int64N(1e5)) + random.Int64N(1e4)
			zero = append(zero, reading{enter0, leave0})
			own = append(own, reading{enter1 - offset, leave1 - offset})
			best = min(best, leave0-enter1+leave1-enter0)
		}
		c, err := compare(1, zero, own)
		if err != nil {
			t.Fatal(err)
		}
		if err := time.Duration(offset) - c.Offset; max(err, -err) > c.Uncertainty {
			t.Fatalf("offset %d, estimated %d with an uncertainty of %d", offset, c.Offset, c.Uncertainty)
		}
		if int64(c.Uncertainty) > best/2+1 {
			t.Fatalf("uncertainty %d, the best round alone has %d", c.Uncertainty, best/2)
		}
		if last := own[len(own)-1].after; c.At != last {
			t.Fatalf("measured at %d, want %d", c.At, last)
		}
	}
}

func TestJumpingClockIsFound(t *testing.T) {
	zero := []reading{{100, 110}, {200, 210}}
	if _, err := compare(2, zero, []reading{{100, 110}, {900, 910}}); !errors.Is(err, ErrClock) {
		t.Errorf("got %v", err)
	}
	if c, err := compare(0, zero, zero); err != nil || c.Offset != 0 || c.Uncertainty != 0 {
		t.Errorf("rank 0 is %v off itself, %v", c, err)
	}
}

func TestMeasureClockOverARing(t *testing.T) {
	const size = 3
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize = "test", 1, size
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	start := time.Now()
	// Rank r's clock is r hours slow and began in 1970.
	slow := func(rank int) time.Duration { return time.Duration(rank) * time.Hour }
	clocks := make([]Clock, size)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) (err error) {
		clocks[g.Rank()], err = MeasureClock(t.Context(), g, g.Rank(), func() int64 { return int64(time.Since(start) - slow(g.Rank())) })
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for rank, c := range clocks {
		if wrong := slow(rank) - c.Offset; max(wrong, -wrong) > c.Uncertainty || rank > 0 && c.Uncertainty <= 0 || c.Uncertainty > time.Minute {
			t.Errorf("rank %d: %+v, want %v", rank, c, slow(rank))
		}
	}
}

// loneRing gives back what it is given, and then some.
type loneRing struct{ others [][]byte }

func (r loneRing) AllGatherBytes(_ context.Context, b []byte) ([][]byte, error) {
	return append([][]byte{b}, r.others...), nil
}

func TestMeasureClockDistrustsTheOthers(t *testing.T) {
	_, err := MeasureClock(t.Context(), loneRing{[][]byte{binary.LittleEndian.AppendUint64(nil, 1)}}, 0, func() int64 { return 0 })
	if err == nil {
		t.Error("8 bytes were taken for readings")
	}
	if _, err := Gather(t.Context(), loneRing{[][]byte{[]byte("RLT1")}}, sample()); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
	ranks, err := Gather(t.Context(), loneRing{}, sample())
	if err != nil || len(ranks) != 1 || ranks[0].Node != sample().Node {
		t.Errorf("%v, %v", ranks, err)
	}
}

// A clock that runs 0.1% fast is corrected at both ends of the record and in between.
func TestAlignTakesOutDrift(t *testing.T) {
	const origin = int64(1e18)
	shown := func(real time.Duration) time.Duration { return real + real/1000 } // since the origin
	offset := func(real time.Duration) time.Duration { return time.Hour - real/1000 }
	clock := func(real, uncertainty time.Duration) Clock {
		return Clock{At: origin + int64(shown(real)), Offset: offset(real), Uncertainty: uncertainty}
	}
	var r = Rank{Origin: origin}
	reals := []time.Duration{0, time.Second, 500 * time.Second, 1000 * time.Second}
	for _, real := range reals {
		r.Events = append(r.Events, Event{Begin: shown(real), End: shown(real + time.Second)})
	}
	r.Align(clock(-time.Second, 30), clock(1001*time.Second, 20))
	if r.Uncertainty != 30 {
		t.Errorf("uncertainty %v", r.Uncertainty)
	}
	for i, real := range reals {
		for _, got := range []int64{r.at(r.Events[i].Begin), r.at(r.Events[i].End) - int64(time.Second)} {
			if wrong := got - origin - int64(time.Hour+real); max(wrong, -wrong) > 10 {
				t.Errorf("event at %v is %d ns off", real, wrong)
			}
		}
	}
}

func TestAlignByOneMeasurement(t *testing.T) {
	r := Rank{Events: []Event{{Begin: 5, End: 6}}}
	c := Clock{At: 77, Offset: 3, Uncertainty: 1}
	r.Align(c, c)
	if r.Offset != 3 || r.Uncertainty != 1 || r.Events[0] != (Event{Begin: 5, End: 6}) {
		t.Errorf("%+v", r)
	}
}
