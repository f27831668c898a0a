package natsring

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"ringloom/allreduce"
)

func pairOfSegments(t *testing.T, s shape) (writer, reader *segment) {
	t.Helper()
	writer, err := newSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	reader, err = openSegment(writer.offer, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(writer.close(), reader.close()); err != nil {
			t.Error(err)
		}
	})
	return writer, reader
}

func TestASegmentIsAQueue(t *testing.T) {
	w, r := pairOfSegments(t, shape{Slots: 3, FrameBytes: 5000})
	next := byte(0)
	send := func() bool {
		b := w.buffer()
		if b == nil {
			return false
		}
		w.commit(len(append(b, bytes.Repeat([]byte{next}, 5000-int(next))...)))
		next++
		return true
	}
	for range 3 {
		if !send() {
			t.Fatal("full too early")
		}
	}
	if send() {
		t.Fatal("a fourth frame in three slots")
	}
	for want := range byte(20) {
		f, err := r.take()
		if err != nil || !bytes.Equal(f, bytes.Repeat([]byte{want}, 5000-int(want))) || !r.holds(f) || w.holds(f) {
			t.Fatalf("frame %d: %d bytes, %v", want, len(f), err)
		}
		if want < 17 && send() {
			t.Fatal("a slot was used before it was free")
		}
		r.free()
		if want < 17 && !send() {
			t.Fatal("a free slot was not used")
		}
	}
	if f, err := r.take(); f != nil || err != nil {
		t.Errorf("a frame out of nothing: %v, %v", f, err)
	}
}

// TestASleepingReaderIsAlwaysWoken runs both ends at once: no frame may be left for a reader that sleeps without a
// wake-up.
func TestASleepingReaderIsAlwaysWoken(t *testing.T) {
	frames := 50_000
	if testing.Short() {
		frames = 20_000
	}
	w, r := pairOfSegments(t, shape{Slots: 4, FrameBytes: 64})
	wake := make(chan struct{}, 1)
	var both sync.WaitGroup
	both.Go(func() {
		random := rand.New(rand.NewPCG(1, 1))
		for i := range frames {
			b := w.buffer()
			for b == nil {
				b = w.buffer()
			}
			if w.commit(len(append(b, byte(i)))) {
				wake <- struct{}{}
			}
			for range random.IntN(200) { // so that now the writer and now the reader is faster
				_ = w.buffer()
			}
		}
	})
	for i := range frames {
		f, err := r.take()
		for f == nil && err == nil {
			r.sleep()
			if f, err = r.take(); f == nil {
				<-wake
				f, err = r.take()
			} else {
				r.awake()
				select { // the writer may have seen the request
				case <-wake:
				default:
				}
			}
		}
		if err != nil || len(f) != 1 || f[0] != byte(i) {
			t.Fatalf("frame %d: %v, %v", i, f, err)
		}
		r.free()
	}
	both.Wait()
}

func TestOffersThatDoNotFitAreRefused(t *testing.T) {
	want := shape{Slots: 3, FrameBytes: 5000}
	w, err := newSegment(want)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for name, change := range map[string]func(*segmentOffer){
		"another process": func(o *segmentOffer) { o.PID = 1<<31 - 1 },
		"another file":    func(o *segmentOffer) { o.FD = 0 },
		"another token":   func(o *segmentOffer) { o.Token = "00000000000000000000000000000000" },
		"a short token":   func(o *segmentOffer) { o.Token = "" },
		"more slots":      func(o *segmentOffer) { o.Shape.Slots++ },
		"larger slots":    func(o *segmentOffer) { o.Shape.FrameBytes++ },
	} {
		o := w.offer
		change(&o)
		if s, err := openSegment(o, want); !errors.Is(err, errSegment) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	small := want
	small.Slots--
	o := w.offer
	o.Shape = small
	if s, err := openSegment(o, small); !errors.Is(err, errSegment) {
		t.Errorf("another size than was said: %v, %v", s, err)
	}
}

func TestALengthOverTheSlotIsRefused(t *testing.T) {
	w, r := pairOfSegments(t, shape{Slots: 3, FrameBytes: 100})
	w.commit(101)
	if f, err := r.take(); !errors.Is(err, allreduce.ErrProtocol) {
		t.Errorf("%v, %v", f, err)
	}
}
