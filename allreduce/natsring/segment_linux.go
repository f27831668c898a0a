package natsring

import (
	"crypto/rand"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newSegment makes memory that has no name in any file system, so nothing is left behind however the processes end. It
// cannot be cut, so that no reader can be made to touch what is not there.
func newSegment(s shape) (*segment, error) {
	fd, err := unix.MemfdCreate("ringloom", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	memory, err := fill(fd, s.bytes())
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%w of %d bytes: %w", errSegment, s.bytes(), err)
	}
	offer := segmentOffer{PID: os.Getpid(), FD: fd, Shape: s, Token: (rand.Text() + rand.Text())[:tokenBytes]}
	copy(memory, offer.Token)
	return &segment{
		memory: memory, shape: s, offer: offer,
		release: func() error { unix.Close(fd); return unix.Munmap(memory) },
	}, nil
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

// openSegment maps what another process of this user offers. It must have the shape that this rank expects.
func openSegment(o segmentOffer, want shape) (*segment, error) {
	if o.Shape != want || len(o.Token) != tokenBytes {
		return nil, fmt.Errorf("%w: %+v was offered where %+v is needed", errSegment, o.Shape, want)
	}
	// If the offer is wrong, anything may be there; opening it must not make this rank wait.
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", o.PID, o.FD), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 {
		return nil, fmt.Errorf("%w: process %d has another file there (%v)", errSegment, o.PID, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() != int64(want.bytes()) {
		return nil, fmt.Errorf("%w: process %d has another file there", errSegment, o.PID)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, want.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	if string(memory[:tokenBytes]) != o.Token {
		return nil, fmt.Errorf("%w: process %d has other memory there (%v)", errSegment, o.PID, unix.Munmap(memory))
	}
	return &segment{memory: memory, shape: want, offer: o, release: func() error { return unix.Munmap(memory) }}, nil
}
