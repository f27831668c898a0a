package natsring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"ringloom/allreduce"
)

// A segment is a queue of frames from one rank to a neighbour in memory that they share, where both are processes of
// one machine. The writer builds a frame in a slot and commits it, the reader takes it where it lies and releases it;
// both in order. A reader that finds nothing and is about to sleep says so in the segment, and only then the next
// commit has to ring its bell: a neighbour that is busy is not disturbed.
//
// WIRE.md has the layout. What the other process writes is not trusted: lengths are bounded, and frames carry a
// checksum.
type segment struct {
	memory   []byte
	shape    shape
	offer    segmentOffer
	sequence uint64 // frames committed here, or taken
	release  func() error
}

// shape is how a segment is divided.
type shape struct {
	Slots      int `json:"slots"`
	FrameBytes int `json:"frame_bytes"` // room for a frame in each
}

// segmentOffer tells a neighbour where the memory is.
type segmentOffer struct {
	PID   int    `json:"pid"`
	FD    int    `json:"fd"`
	Token string `json:"token"` // stands at the beginning of the memory: another process namespace has other numbers
	Shape shape  `json:"shape"`
}

const (
	tokenBytes    = 32
	releasedAt    = 64  // number of frames that the reader has released
	sleepingAt    = 128 // 1 while the reader wants to be woken
	firstSlotAt   = 4096
	slotHeadBytes = 64 // number of the frame in the slot, from 1, and its length
)

var errSegment = errors.New("cannot share memory")

func (s shape) slotBytes() int { return slotHeadBytes + (s.FrameBytes+63)/64*64 }
func (s shape) bytes() int     { return firstSlotAt + s.Slots*s.slotBytes() }

func (s *segment) word(at int) *uint64 { return (*uint64)(unsafe.Pointer(&s.memory[at])) }
func (s *segment) slotAt(n uint64) int {
	return firstSlotAt + int(n%uint64(s.shape.Slots))*s.shape.slotBytes()
}

// buffer is where the writer builds the next frame, nil if the reader has not released the slot.
func (s *segment) buffer() []byte {
	if s.sequence-atomic.LoadUint64(s.word(releasedAt)) >= uint64(s.shape.Slots) {
		return nil
	}
	at := s.slotAt(s.sequence) + slotHeadBytes
	return s.memory[at : at : at+s.shape.FrameBytes]
}

// commit makes the frame in the buffer visible, and says whether the reader must be woken.
func (s *segment) commit(length int) (wake bool) {
	at := s.slotAt(s.sequence)
	s.sequence++
	*s.word(at + 8) = uint64(length)
	atomic.StoreUint64(s.word(at), s.sequence)
	return atomic.LoadUint64(s.word(sleepingAt)) != 0 && atomic.SwapUint64(s.word(sleepingAt), 0) != 0
}

// take returns the next frame, nil if there is none. Errors match allreduce.ErrProtocol.
func (s *segment) take() ([]byte, error) {
	at := s.slotAt(s.sequence)
	if atomic.LoadUint64(s.word(at)) != s.sequence+1 {
		return nil, nil
	}
	length := *s.word(at + 8)
	if length > uint64(s.shape.FrameBytes) {
		return nil, fmt.Errorf("%w: a frame of %d bytes in shared memory, where %d are the most", allreduce.ErrProtocol, length, s.shape.FrameBytes)
	}
	s.sequence++
	at += slotHeadBytes
	return s.memory[at : at+int(length) : at+int(length)], nil
}

// free returns the slot of the oldest taken frame to the writer.
func (s *segment) free() { atomic.AddUint64(s.word(releasedAt), 1) }

// sleep asks for a wake-up at the next commit. The reader must look once more afterwards.
func (s *segment) sleep() { atomic.StoreUint64(s.word(sleepingAt), 1) }

// awake withdraws the request.
func (s *segment) awake() {
	if atomic.LoadUint64(s.word(sleepingAt)) != 0 {
		atomic.StoreUint64(s.word(sleepingAt), 0)
	}
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
