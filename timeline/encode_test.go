package timeline

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample() Rank {
	return Rank{
		Rank: 3, Node: "größe", Device: "cpu", Origin: 1e18, Offset: -5 * time.Microsecond, Uncertainty: 40, Dropped: 7,
		Events: []Event{
			{Kind: Data, Step: 4, Bucket: -1, Begin: 1e6, End: 2e6},
			{Kind: Comm, Step: 4, Bucket: 12, Bytes: 1 << 40, Begin: 5e5, End: 9e6},
			{Kind: Moments, Step: 5, Bucket: -1, Begin: -1, End: -1},
		},
	}
}

func TestRecordsSurviveTheWay(t *testing.T) {
	for _, want := range []Rank{sample(), {Events: []Event{}}} {
		b, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got Rank
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for n := range b {
			if err := new(Rank).UnmarshalBinary(b[:n]); !errors.Is(err, ErrFormat) {
				t.Errorf("cut to %d of %d bytes: %v", n, len(b), err)
			}
		}
		if err := new(Rank).UnmarshalBinary(append(b, 0)); !errors.Is(err, ErrFormat) {
			t.Errorf("one byte more: %v", err)
		}
	}
}

// The worst events are those whose every number needs all its bytes.
func TestMaxEventsFit(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short; it encodes 64 MiB")
	}
	worst := Rank{Node: strings.Repeat("n", maxHeaderBytes/2), Events: make([]Event, MaxEvents)}
	for i := range worst.Events {
		worst.Events[i] = Event{Step: math.MinInt32, Bucket: math.MinInt32, Bytes: -1, Begin: math.MinInt64 / 2, End: math.MaxInt64 / 2}
		if i%2 == 1 {
			worst.Events[i] = Event{Step: math.MaxInt32, Bucket: math.MinInt32, Bytes: -1, Begin: math.MaxInt64 / 2, End: math.MinInt64 / 2}
		}
	}
	if _, err := worst.MarshalBinary(); err != nil {
		t.Error(err)
	}
	worst.Events = append(worst.Events, worst.Events[:len(worst.Events)/4]...)
	if _, err := worst.MarshalBinary(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a quarter more: %v", err)
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	b, err := sample().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Rank
		if err := r.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}
