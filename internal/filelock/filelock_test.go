package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestOneAfterTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "lock")
	held, err := Take(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; others could hold the lock", name, info.Mode(), err)
		}
	}
	if _, err := Take(t.Context(), path, Options{Try: true}); !errors.Is(err, ErrHeld) {
		t.Errorf("%v", err)
	}
	waiting := make(chan struct{}, 1)
	got := make(chan error, 1)
	go func() {
		next, err := Take(t.Context(), path, Options{GiveUp: time.Hour, Waiting: func(time.Duration) {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}})
		if err == nil {
			next.Release()
		}
		got <- err
	}()
	<-waiting
	held.Release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// One that works is waited for, one that does not is given up, and either wait ends with its context.
func TestWaitingEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	other, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), path, Options{GiveUp: time.Millisecond}); !errors.Is(err, ErrHeld) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	_, err = Take(ctx, path, Options{GiveUp: time.Hour, Waiting: func(time.Duration) { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// A holder shows that it is alive.
func TestAHolderBeats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel := context.WithCancel(t.Context())
	// Longer than a holder that does not beat is waited for, by far.
	_, err = Take(ctx, path, Options{GiveUp: 3 * beat, Waiting: func(waited time.Duration) {
		if waited > 4*beat {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestFileSystemsWithoutLocks(t *testing.T) {
	old := flock
	defer func() { flock = old }()
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.ENOLCK, syscall.EOPNOTSUPP} {
		flock = func(*os.File) error { return errno }
		if _, err := Take(t.Context(), filepath.Join(t.TempDir(), "lock"), Options{}); !errors.Is(err, ErrUnsupported) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	flock = func(*os.File) error { return syscall.EBADF }
	if _, err := Take(t.Context(), filepath.Join(t.TempDir(), "lock"), Options{}); !errors.Is(err, syscall.EBADF) || errors.Is(err, ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "victim"), filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), filepath.Join(dir, "lock"), Options{}); err == nil {
		t.Error("a link is followed")
	}
}
