package natsring

import (
	"crypto/rand"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newSegment makes memory that has no name in any file system, so nothing is left behind however the processes end. It
// cannot be cut, so that no reader can be made to touch what is not there.
func newSegment(slots, frameBytes int) (*segment, error) {
	total, slotBytes := layout(slots, frameBytes)
	fd, err := unix.MemfdCreate("ringloom", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	memory, err := fill(fd, total)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%w of %d bytes: %w", errSegment, total, err)
	}
	s := &segment{
		memory: memory, slots: slots, slotBytes: slotBytes,
		offer:   segmentOffer{PID: os.Getpid(), FD: fd, Slots: slots, SlotBytes: slotBytes},
		release: func() error { unix.Close(fd); return unix.Munmap(memory) },
	}
	s.offer.Token = (rand.Text() + rand.Text())[:tokenBytes]
	copy(memory, s.offer.Token)
	return s, nil
}

// fill reserves the pages now: later there would be no error but a signal.
func fill(fd, total int) ([]byte, error) {
	if err := unix.Fallocate(fd, 0, 0, int64(total)); err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, total, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

// openSegment maps what another process of this user offers. frameBytes is what this rank expects a slot to have room for.
func openSegment(o segmentOffer, frameBytes int) (*segment, error) {
	total, slotBytes := layout(o.Slots, frameBytes)
	if o.Slots < 1 || o.SlotBytes != slotBytes || len(o.Token) != tokenBytes {
		return nil, fmt.Errorf("%w: %d slots of %d bytes were offered, slots of %d are needed", errSegment, o.Slots, o.SlotBytes, slotBytes)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", o.PID, o.FD))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 {
		return nil, fmt.Errorf("%w: process %d has another file there (%v)", errSegment, o.PID, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() != int64(total) {
		return nil, fmt.Errorf("%w: process %d has another file there", errSegment, o.PID)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, total, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	if string(memory[:tokenBytes]) != o.Token {
		return nil, fmt.Errorf("%w: process %d has other memory there (%v)", errSegment, o.PID, unix.Munmap(memory))
	}
	return &segment{
		memory: memory, slots: o.Slots, slotBytes: slotBytes, offer: o,
		release: func() error { return unix.Munmap(memory) },
	}, nil
}
