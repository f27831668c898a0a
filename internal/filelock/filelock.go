// Package filelock lets one process of several have a file, and the others wait for it: with their context, not longer than the
// holder shows that it is alive, and where the file system knows no locks, not at all.
//
// A lock ends with its process, so a crash leaves nothing to clean up. Who holds one writes into the file every second
// that it does: a waiter knows from that whether the holder works, or is stopped, or is some other program that will never let go.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var (
	// ErrUnsupported is a file system without locks, as of some network folders.
	ErrUnsupported = errors.New("this file system knows no locks")
	// ErrHeld is a lock of another process that shows no sign of life.
	ErrHeld = errors.New("another process holds the lock and shows no sign of life")
)

const (
	// beat is how often a holder writes into the file.
	beat = time.Second
	// poll is how often a waiter looks.
	poll = 50 * time.Millisecond
)

// Options say how to wait.
type Options struct {
	// Try does not wait at all: a lock that another process holds is ErrHeld. Default false.
	Try bool
	// GiveUp is how long a holder may show no sign of life. Default 5 s.
	GiveUp time.Duration
	// Waiting is called again and again while another process holds the lock, with how long that has taken. Default: nobody is told.
	Waiting func(waited time.Duration)
}

// Lock is one that this process holds.
type Lock struct {
	file *os.File
	stop chan struct{}
	done chan struct{}
}

// Take takes the lock of the file at path, which it makes. The folder is made too, for this user alone: who can read the file can hold
// the lock. The error is ErrUnsupported, ErrHeld, the context's cause, or what the file system says.
func Take(ctx context.Context, path string, o Options) (*Lock, error) {
	if o.GiveUp == 0 {
		o.GiveUp = 5 * time.Second
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := take(ctx, f, o); err != nil {
		f.Close()
		return nil, err
	}
	l := &Lock{file: f, stop: make(chan struct{}), done: make(chan struct{})}
	go l.beat()
	return l, nil
}

// take waits for the lock of f.
func take(ctx context.Context, f *os.File, o Options) error {
	begin := time.Now()
	seen, alive := time.Time{}, begin
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := flock(f)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EINVAL):
			return fmt.Errorf("%s: %w (%w)", f.Name(), ErrUnsupported, err)
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		case o.Try:
			return fmt.Errorf("%s: %w", f.Name(), ErrHeld)
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		now := time.Now()
		if changed := info.ModTime(); !changed.Equal(seen) {
			if !seen.IsZero() {
				alive = now
			}
			seen = changed
		}
		if now.Sub(alive) >= o.GiveUp {
			return fmt.Errorf("%s: %w", f.Name(), ErrHeld)
		}
		if o.Waiting != nil {
			o.Waiting(now.Sub(begin))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flock is a variable for tests of file systems that this machine has not.
var flock = func(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// beat shows that this process is alive until the lock is released.
func (l *Lock) beat() {
	defer close(l.done)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		// Where it cannot be written, others give up waiting: no harm but to what the lock spares.
		_, _ = l.file.WriteAt(fmt.Appendf(nil, "%-10d %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339)), 0)
		select {
		case <-tick.C:
		case <-l.stop:
			return
		}
	}
}

// Release lets the next one in.
func (l *Lock) Release() {
	close(l.stop)
	<-l.done
	l.file.Close()
}
