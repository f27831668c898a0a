package natsring

import (
	"bytes"
	"errors"
	"testing"

	"ringloom/allreduce"
)

func TestASegmentShowsTheReaderWhatTheWriterBuilds(t *testing.T) {
	const slots, frameBytes = 3, 5000
	w, err := newSegment(slots, frameBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	r, err := openSegment(w.offer, frameBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for slot := range slots {
		frame := append(w.slot(slot), bytes.Repeat([]byte{byte('a' + slot)}, frameBytes-slot)...)
		if !w.holds(frame) || r.holds(frame) {
			t.Error("a frame is not where its segment is")
		}
	}
	for slot := range slots {
		got, err := r.frame(appendNotice(nil, slot, frameBytes-slot))
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte('a' + slot)}, frameBytes-slot)) || !r.holds(got) {
			t.Errorf("slot %d: %v", slot, err)
		}
	}
}

func TestOffersThatDoNotFitAreRefused(t *testing.T) {
	w, err := newSegment(3, 5000)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for name, change := range map[string]func(*segmentOffer){
		"another process": func(o *segmentOffer) { o.PID = 1<<31 - 1 },
		"another file":    func(o *segmentOffer) { o.FD = 0 },
		"another token":   func(o *segmentOffer) { o.Token = "00000000000000000000000000000000" },
		"a short token":   func(o *segmentOffer) { o.Token = "" },
		"more slots":      func(o *segmentOffer) { o.Slots++ },
		"no slots":        func(o *segmentOffer) { o.Slots = 0 },
		"larger slots":    func(o *segmentOffer) { o.SlotBytes += pageBytes },
	} {
		o := w.offer
		change(&o)
		if s, err := openSegment(o, 5000); !errors.Is(err, errSegment) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestNoticesThatPointOutsideAreRefused(t *testing.T) {
	s, err := newSegment(3, 5000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	version := appendNotice(nil, 1, 100)
	version[2]++
	for name, notice := range map[string][]byte{"slot": appendNotice(nil, 3, 100), "length": appendNotice(nil, 0, s.slotBytes+1), "version": version} {
		if !isNotice(notice) {
			t.Errorf("%s: not taken for a notice", name)
		}
		if _, err := s.frame(notice); !errors.Is(err, allreduce.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var none *segment
	if _, err := none.frame(appendNotice(nil, 0, 100)); !errors.Is(err, allreduce.ErrProtocol) {
		t.Errorf("without a segment: %v", err)
	}
}
