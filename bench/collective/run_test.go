package collective

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/allreducetest"
	"ringloom/allreduce/codec"
)

// quick is a sweep of three sizes, the last of several chunks.
func quick(op Op) Config {
	c := Default()
	c.Op, c.MinBytes, c.MaxBytes, c.Factor = op, 64, 64<<10, 32
	c.WarmUp, c.Iterations, c.Duration = 2, 3, 0
	return c
}

// runAll runs the sweep on all ranks of an in-memory ring. change may replace a rank's ring.
func runAll(t *testing.T, c Config, ranks int, change func(Ring) Ring) ([][]Row, []Summary, []error) {
	t.Helper()
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize, cfg.ChunkBytes, cfg.WindowBytes = "test", 1, ranks, 16<<10, 64<<10
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	rows, sums := make([][]Row, ranks), make([]Summary, ranks)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) (err error) {
		var ring Ring = g
		if change != nil {
			ring = change(ring)
		}
		sums[g.Rank()], err = Run(t.Context(), ring, c, func(r Row) error {
			rows[g.Rank()] = append(rows[g.Rank()], r)
			return nil
		})
		return err
	})
	return rows, sums, errs
}

func TestEveryCollectiveIsMeasuredAndRight(t *testing.T) {
	for _, op := range Ops() {
		for _, ranks := range []int{2, 3} {
			rows, sums, errs := runAll(t, quick(op), ranks, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatalf("%s of %d: %v", op, ranks, err)
			}
			want := 3
			if op == Barrier {
				want = 1
			}
			if len(rows[0]) != want || sums[0].Sizes != want || sums[0].WrongValues != 0 {
				t.Errorf("%s of %d: %d rows, %+v", op, ranks, len(rows[0]), sums[0])
			}
			for r := range rows {
				if !reflect.DeepEqual(rows[r], rows[0]) || sums[r] != sums[0] {
					t.Errorf("%s: rank %d has other rows than rank 0", op, r)
				}
			}
			last := rows[0][want-1]
			both := op == AllReduce || op == Broadcast
			if last.OutOfPlace == nil || (last.InPlace != nil) != both {
				t.Errorf("%s: forms %v, %v", op, last.OutOfPlace, last.InPlace)
			}
			o := last.OutOfPlace
			if o.Iterations != 3 || !(o.MinSeconds > 0 && o.Seconds >= o.MinSeconds) {
				t.Errorf("%s: %+v", op, o)
			}
			alg := float64(64<<10) / o.Seconds
			if bus := alg * 2 * float64(ranks-1) / float64(ranks); op == AllReduce && (o.AlgBytes != alg || math.Abs(o.BusBytes/bus-1) > 1e-12) {
				t.Errorf("bandwidths of %+v with %d ranks", o, ranks)
			}
		}
	}
}

// liar adds one to the first element of what it reduces, after the ring.
type liar struct{ Ring }

func (l liar) AllReduce(ctx context.Context, buf []float32) error {
	err := l.Ring.AllReduce(ctx, buf)
	buf[0]++
	return err
}

func TestAWrongValueOnOneRankIsCountedOnAll(t *testing.T) {
	_, sums, errs := runAll(t, quick(AllReduce), 3, func(r Ring) Ring {
		if r.Rank() == 2 {
			return liar{r}
		}
		return r
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for rank, s := range sums {
		if s.WrongValues != 6 { // three sizes, out of place and in place
			t.Errorf("rank %d counts %d wrong values, want 6", rank, s.WrongValues)
		}
	}
}

func TestEveryFormatIsRight(t *testing.T) {
	for _, format := range codec.Formats() {
		for _, ranks := range []int{2, 5} {
			c := quick(AllReduce)
			c.Numbers = NumbersOf(format)
			_, sums, errs := runAll(t, c, ranks, func(r Ring) Ring { return Wired{r.(*allreduce.Group), format} })
			if err := errors.Join(errs...); err != nil || sums[0].WrongValues != 0 {
				t.Errorf("%v, %d ranks: %d wrong values, %v", format, ranks, sums[0].WrongValues, err)
			}
		}
	}
}

// What a format loses shows where it is not allowed for, so the check does look at the last bits.
func TestAFormatThatLosesTooMuchIsWrong(t *testing.T) {
	for _, format := range []codec.Format{codec.BF16, codec.FP16, codec.Int8} {
		c := quick(AllReduce)
		_, sums, errs := runAll(t, c, 3, func(r Ring) Ring { return Wired{r.(*allreduce.Group), format} })
		if err := errors.Join(errs...); err != nil || sums[0].WrongValues == 0 {
			t.Errorf("%v checked as float32: %d wrong values, %v", format, sums[0].WrongValues, err)
		}
	}
}

// forgetful leaves the first part of a gather as another size.
type forgetful struct{ Ring }

func (f forgetful) AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error) {
	blocks, err := f.Ring.AllGatherBytes(ctx, block)
	if err == nil && len(block) > 8 && len(block)%8 != 0 { // not the exchange of times and counts
		blocks[0] = blocks[0][:len(blocks[0])-1]
	}
	return blocks, err
}

func TestAMissingByteOfAGatherIsCounted(t *testing.T) {
	c := quick(Gather)
	c.MinBytes, c.MaxBytes = 60, 60 // parts of 20 bytes
	_, sums, errs := runAll(t, c, 3, func(r Ring) Ring { return forgetful{r} })
	if err := errors.Join(errs...); err != nil || sums[0].WrongValues != 3 {
		t.Errorf("%d wrong values, %v", sums[0].WrongValues, err)
	}
}

// A buffer that is summed in place over and over overflows unless it is filled anew in time.
func TestInPlaceStaysFinite(t *testing.T) {
	c := quick(AllReduce)
	c.MaxBytes, c.Iterations = c.MinBytes, 300
	var seen float32
	_, _, errs := runAll(t, c, 3, func(r Ring) Ring { return watcher{r, &seen} })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if seen < 1<<100 || seen-seen != 0 {
		t.Errorf("the largest sum was %v: it shall come near the limit and not pass it", seen)
	}
}

// watcher keeps the largest value that rank 0 has seen; NaN and infinity stay.
type watcher struct {
	Ring
	largest *float32
}

func (w watcher) AllReduce(ctx context.Context, buf []float32) error {
	err := w.Ring.AllReduce(ctx, buf)
	if w.Rank() == 0 {
		for _, v := range buf {
			if !(v <= *w.largest) {
				*w.largest = v
			}
		}
	}
	return err
}

func TestDurationBoundsTheIterations(t *testing.T) {
	c := quick(AllReduce)
	c.Iterations, c.Duration = 1000, time.Nanosecond
	rows, _, errs := runAll(t, c, 2, nil)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[0] {
		if r.OutOfPlace.Iterations != 1 || r.InPlace.Iterations != 1 {
			t.Errorf("%d bytes: %d and %d iterations, want one", r.Bytes, r.OutOfPlace.Iterations, r.InPlace.Iterations)
		}
	}
}

func TestInPlaceAlone(t *testing.T) {
	c := quick(AllReduce)
	c.OnlyInPlace = true
	rows, sums, errs := runAll(t, c, 2, func(r Ring) Ring { return liar{r} })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if r := rows[0][0]; r.OutOfPlace != nil || r.InPlace == nil || sums[0].WrongValues != 6 { // three sizes, two ranks
		t.Errorf("%+v, %+v", r, sums[0])
	}
}

func TestAnEndedContextEndsTheSweep(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	cfg := allreduce.DefaultConfig()
	cfg.Job, cfg.View, cfg.WorldSize = "test", 1, 2
	groups, _ := allreducetest.Groups(cfg, allreducetest.Faults{})
	defer allreducetest.CloseAll(groups)
	errs := allreducetest.Run(groups, func(g *allreduce.Group) error {
		_, err := Run(ctx, g, quick(AllReduce), nil)
		return err
	})
	for _, err := range errs {
		if err == nil {
			t.Error("no error")
		}
	}
	if !errors.Is(errors.Join(errs...), reason) {
		t.Errorf("got %v", errs)
	}
}
