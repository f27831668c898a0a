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
			both := op != AllGatherBytes && op != Barrier
			if last.OutOfPlace == nil || (last.InPlace != nil) != both {
				t.Errorf("%s: forms %v, %v", op, last.OutOfPlace, last.InPlace)
			}
			o := last.OutOfPlace
			if o.Iterations != 3 || !(o.MinSeconds > 0 && o.Seconds >= o.MinSeconds) {
				t.Errorf("%s: %+v", op, o)
			}
			if op == Barrier {
				continue
			}
			alg, n := float64(last.Bytes)/o.Seconds, float64(ranks)
			bus := alg * map[Op]float64{
				AllReduce: 2 * (n - 1) / n, ReduceScatter: (n - 1) / n, AllGather: (n - 1) / n, AllGatherBytes: (n - 1) / n, Broadcast: 1,
			}[op]
			if last.Bytes > 64<<10 || last.Bytes < 64<<10-4 || o.AlgBytes != alg || math.Abs(o.BusBytes/bus-1) > 1e-12 {
				t.Errorf("%s of %d: bandwidths of %+v", op, ranks, o)
			}
		}
	}
}

// liar adds one to an element of every result, after the ring: to the first of its own shard after a reduce-scatter, else to the
// first of all.
type liar struct{ Ring }

func (l liar) AllReduce(ctx context.Context, buf []float32) error {
	err := l.Ring.AllReduce(ctx, buf)
	buf[0]++
	return err
}

func (l liar) ReduceScatter(ctx context.Context, buf []float32) error {
	err := l.Ring.ReduceScatter(ctx, buf)
	buf[l.Shard(len(buf), l.Rank())[0].From]++
	return err
}

func (l liar) AllGather(ctx context.Context, buf []float32) error {
	err := l.Ring.AllGather(ctx, buf)
	buf[0]++
	return err
}

func (l liar) Broadcast(ctx context.Context, buf []float32, root int) error {
	err := l.Ring.Broadcast(ctx, buf, root)
	buf[0]++
	return err
}

func TestAWrongValueOnOneRankIsCountedOnAll(t *testing.T) {
	for _, op := range []Op{AllReduce, ReduceScatter, AllGather, Broadcast} {
		_, sums, errs := runAll(t, quick(op), 3, func(r Ring) Ring {
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
				t.Errorf("%s: rank %d counts %d wrong values, want 6", op, rank, s.WrongValues)
			}
		}
	}
}

// idle does nothing where others gather: what it had before must not be taken for what it should have got.
type idle struct{ Ring }

func (idle) AllGather(context.Context, []float32) error { return nil }

func TestAnAllGatherThatDoesNothingIsWrong(t *testing.T) {
	c := quick(AllGather)
	c.MinBytes = c.MaxBytes
	rows, _, errs := runAll(t, c, 3, func(r Ring) Ring { return idle{r} })
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	// On each of the ranks two thirds of the elements are other ranks', few of which are equal by chance.
	others := int64(2 * 64 << 10 / elementBytes)
	for _, timing := range []*Timing{rows[0][0].OutOfPlace, rows[0][0].InPlace} {
		if timing.WrongValues > others || timing.WrongValues < others*9/10 {
			t.Errorf("%d values are wrong, want nearly %d", timing.WrongValues, others)
		}
	}
}

func TestEveryFormatIsRight(t *testing.T) {
	for _, format := range codec.Formats() {
		for _, ranks := range []int{2, 5} {
			for _, op := range []Op{AllReduce, ReduceScatter} {
				c := quick(op)
				c.Numbers = NumbersOf(format)
				_, sums, errs := runAll(t, c, ranks, func(r Ring) Ring { return Wired{r.(*allreduce.Group), format} })
				if err := errors.Join(errs...); err != nil || sums[0].WrongValues != 0 {
					t.Errorf("%s, %v, %d ranks: %d wrong values, %v", op, format, ranks, sums[0].WrongValues, err)
				}
			}
		}
	}
}

// What a format loses shows where it is not allowed for, so the check does look at the last bits.
func TestAFormatThatLosesTooMuchIsWrong(t *testing.T) {
	for _, format := range []codec.Format{codec.BF16, codec.FP16, codec.Int8} {
		for _, op := range []Op{AllReduce, ReduceScatter} {
			_, sums, errs := runAll(t, quick(op), 5, func(r Ring) Ring { return Wired{r.(*allreduce.Group), format} })
			if err := errors.Join(errs...); err != nil || sums[0].WrongValues == 0 {
				t.Errorf("%s, %v checked as float32: %d wrong values, %v", op, format, sums[0].WrongValues, err)
			}
		}
	}
}

// forgetful leaves the first block as another size.
type forgetful struct{ Ring }

func (f forgetful) AllGatherBytes(ctx context.Context, block []byte) ([][]byte, error) {
	blocks, err := f.Ring.AllGatherBytes(ctx, block)
	if err == nil && len(block) > 8 && len(block)%8 != 0 { // not the exchange of times and counts
		blocks[0] = blocks[0][:len(blocks[0])-1]
	}
	return blocks, err
}

func TestAMissingByteOfABlockIsCounted(t *testing.T) {
	c := quick(AllGatherBytes)
	c.MinBytes, c.MaxBytes = 60, 60 // blocks of 20 bytes
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
