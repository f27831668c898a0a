package natsring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"ringloom/allreduce"
)

// A segment is memory that a rank shares with the next one where both are processes of one machine: a slot for each data frame
// that may be in flight. The sender builds frame k in slot (k-1) mod slots and publishes a notice of a few bytes in its place;
// the receiver reads the frame where it lies. A slot is free again when the ring's credit for its frame has come, so the
// ring's flow control is the segment's.
type segment struct {
	memory    []byte
	slots     int
	slotBytes int
	offer     segmentOffer
	release   func() error
}

// segmentOffer tells the next rank where the memory is.
type segmentOffer struct {
	PID       int    `json:"pid"`
	FD        int    `json:"fd"`
	Token     string `json:"token"` // stands at the beginning of the memory: another process namespace has other numbers
	Slots     int    `json:"slots"`
	SlotBytes int    `json:"slot_bytes"`
}

const (
	pageBytes  = 4096
	tokenBytes = 32 // in the first page; the slots follow it
)

var errSegment = errors.New("cannot share memory")

// layout is the number of bytes of a segment with slots for frames of frameBytes, and of one slot.
func layout(slots, frameBytes int) (total, slotBytes int) {
	slotBytes = (frameBytes + pageBytes - 1) / pageBytes * pageBytes
	return pageBytes + slots*slotBytes, slotBytes
}

func (s *segment) slot(i int) []byte {
	from := pageBytes + i*s.slotBytes
	return s.memory[from : from : from+s.slotBytes]
}

// holds says whether b lies in the segment.
func (s *segment) holds(b []byte) bool {
	if s == nil || cap(b) == 0 {
		return false
	}
	at, first := uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(unsafe.SliceData(s.memory)))
	return at >= first && at < first+uintptr(len(s.memory))
}

func (s *segment) close() error {
	if s == nil {
		return nil
	}
	return s.release()
}

// A notice stands for a frame that lies in the segment: 'R', 'S', the wire version, 0, the slot and the frame's length, both
// four bytes.
const noticeBytes = 12

func appendNotice(dst []byte, slot, length int) []byte {
	dst = append(dst, 'R', 'S', allreduce.WireVersion, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(slot))
	return binary.LittleEndian.AppendUint32(dst, uint32(length))
}

// isNotice tells a notice from a frame, which begins with 'R', 'L'.
func isNotice(message []byte) bool {
	return len(message) == noticeBytes && message[0] == 'R' && message[1] == 'S'
}

// frame is the one that a notice is of. Errors match allreduce.ErrProtocol.
func (s *segment) frame(notice []byte) ([]byte, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: a notice of a frame in shared memory, which was not agreed on", allreduce.ErrProtocol)
	}
	slot, length := binary.LittleEndian.Uint32(notice[4:]), binary.LittleEndian.Uint32(notice[8:])
	if notice[2] != allreduce.WireVersion || slot >= uint32(s.slots) || length > uint32(s.slotBytes) {
		return nil, fmt.Errorf("%w: a notice of version %d for %d bytes in slot %d of %d", allreduce.ErrProtocol, notice[2], length, slot, s.slots)
	}
	b := s.slot(int(slot))
	return b[:length:length], nil
}
