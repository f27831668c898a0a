package natsring

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newBell makes the sleeper's end. The writing end stays open in this process, too, for the neighbours to find.
func newBell() (*bell, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("%w: %w", errBell, err)
	}
	b := &bell{sleeper: os.NewFile(uintptr(fds[0]), "bell"), ringer: fds[1]}
	var info unix.Stat_t
	if err := unix.Fstat(fds[1], &info); err != nil {
		b.close()
		return nil, fmt.Errorf("%w: %w", errBell, err)
	}
	b.offer = bellOffer{PID: os.Getpid(), FD: fds[1], Device: uint64(info.Dev), Inode: info.Ino}
	return b, nil
}

// openBell is the ringer's end of what a neighbour of this user offers.
func openBell(o bellOffer) (*bell, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%d", o.PID, o.FD), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBell, err)
	}
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFIFO || uint64(info.Dev) != o.Device || info.Ino != o.Inode {
		unix.Close(fd)
		return nil, fmt.Errorf("%w: process %d has another file there (%v)", errBell, o.PID, err)
	}
	return &bell{offer: o, ringer: fd}, nil
}

// ring wakes the sleeper. A full pipe means that wake-ups are waiting for it already; that a sleeper is gone shows in
// its connection.
func (b *bell) ring() { _, _ = unix.Write(b.ringer, []byte{1}) }

// listen calls wake whenever the bell has rung, until close.
func (b *bell) listen(wake func()) {
	var rings [64]byte
	for {
		if _, err := b.sleeper.Read(rings[:]); err != nil {
			return
		}
		wake()
	}
}

func (b *bell) close() {
	if b == nil {
		return
	}
	if b.sleeper != nil {
		_ = b.sleeper.Close()
	}
	unix.Close(b.ringer)
}
