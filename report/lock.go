package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"ringloom/internal/printable"
	"syscall"
	"time"
)

// lockFile is the file of a run directory that is locked while a run writes there. The lock is flock's: it ends with the process,
// however that ends. The file stays, and holds the holder while there is one.
const lockFile = "run.lock"

// Holder is who writes into a run directory.
type Holder struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

func (h Holder) String() string {
	if h.PID == 0 { // it has the lock, and has not said yet who it is
		return "another process"
	}
	return fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
}

// InUseError says that a run is writing into a directory.
type InUseError struct {
	Dir string
	By  Holder
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("run directory %s is in use: %s writes there: wait for its end, or choose another with --run-dir", e.Dir, e.By)
}

// CheckUnlocked is an InUseError where a run is writing into a directory now, and nil where none is or where that cannot be seen.
func CheckUnlocked(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	f, err := openIn(root, lockFile, os.O_RDONLY)
	if err != nil {
		return nil
	}
	defer f.Close() // and with it the lock
	if err := flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return &InUseError{dir, holder(f)}
	}
	return nil
}

// flock is the system's; tests stand for a file system without locks.
var flock = syscall.Flock

// Others that look with CheckUnlocked hold the lock for a moment.
const (
	lockTries = 20
	lockPause = 25 * time.Millisecond
)

// lockDir locks a directory for this process until the file is closed. unlocked says why that cannot be done here, where it is not
// because of another run: then whoever writes is on his own.
func lockDir(dir string) (lock *os.File, unlocked, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, err := openIn(root, lockFile, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, nil, err
	}
	for try := 0; ; try++ {
		err = flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		if try == lockTries {
			defer f.Close()
			return nil, nil, &InUseError{dir, holder(f)}
		}
		time.Sleep(lockPause)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("run directory %s: its file system has no locks (%w): nothing keeps another run from writing there", dir, err), nil
	}
	host, _ := os.Hostname()
	content, err := json.Marshal(Holder{host, os.Getpid(), time.Now()})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(content, '\n'), 0)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("locking the run directory %s: %w", dir, err)
	}
	return f, nil, nil
}

// dropLock takes the file of the lock out of a directory, if another process holds it: that process goes on to hold a file that nobody
// finds any more.
func dropLock(dir string) error {
	if !errors.As(CheckUnlocked(dir), new(*InUseError)) {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Remove(lockFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("taking the record of the run over: %w", err)
	}
	return nil
}

// unlock ends a lock, which may be nil.
func unlock(f *os.File) error {
	if f == nil {
		return nil
	}
	return errors.Join(f.Truncate(0), f.Close())
}

// holder is what a lock's file says; zero where it says nothing.
func holder(f *os.File) (h Holder) {
	const maxBytes = 4096
	content, err := io.ReadAll(io.NewSectionReader(f, 0, maxBytes))
	if err != nil || json.Unmarshal(content, &h) != nil {
		return Holder{}
	}
	h.Host = printable.Output(h.Host)
	return h
}
