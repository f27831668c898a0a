package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"ringloom/internal/filelock"
	"ringloom/report"
)

// kernelMemory is the file of choices of this user on this machine, locked. Its path is empty where there is none.
type kernelMemory struct {
	path    string
	lock    *filelock.Lock
	version string
	machine string
	all     map[string]kernelChoices // by machine: the file's content
	warn    func(string)
}

// kernelChoices are those that one version of ringloom has made on a machine; another version's kernels differ.
type kernelChoices struct {
	Version string            `json:"version"`
	Ways    map[string]string `json:"ways"`
}

// openKernelMemory waits until nobody else has the file, or without wait is no memory while somebody has. A memory that cannot be used is
// none, and the user is told why: without it the next run tries again, which is no reason to end this one.
func openKernelMemory(ctx context.Context, k Kernels, machine string, wait bool) (*kernelMemory, error) {
	m := &kernelMemory{version: k.Version, machine: machine, all: map[string]kernelChoices{}, warn: k.warn}
	if k.Dir == "" || os.MkdirAll(k.Dir, 0o755) != nil {
		return m, nil
	}
	waits := k.teller()
	lock, err := filelock.Take(ctx, filepath.Join(k.Dir, "locks", "kernels"), filelock.Options{
		Try: !wait,
		Waiting: func(time.Duration) {
			waits.tell("waiting for another process that tries how to compute fastest here")
		},
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case !wait && errors.Is(err, filelock.ErrHeld), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return m, nil
	default:
		k.warn("what is fastest here is not remembered: " + err.Error())
		return m, nil
	}
	m.lock, m.path = lock, filepath.Join(k.Dir, "kernels.json")
	if err := m.read(); err != nil {
		k.warn("what was found to be fastest here cannot be read, and is tried again: " + err.Error())
		m.all = map[string]kernelChoices{}
	}
	return m, nil
}

// read takes the file's content, if there is one.
func (m *kernelMemory) read() error {
	content, err := os.ReadFile(m.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(content) == 0 {
		return nil
	}
	if err := json.Unmarshal(content, &m.all); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	if m.all == nil { // the file says null
		m.all = map[string]kernelChoices{}
	}
	return nil
}

func (m *kernelMemory) choices() map[string]string {
	if c := m.all[m.machine]; c.Version == m.version {
		return c.Ways
	}
	return nil
}

// add keeps choices beside those that are there, and those for other machines that share the folder.
func (m *kernelMemory) add(choices map[string]string) {
	known, all := m.choices(), map[string]string{}
	maps.Copy(all, known)
	maps.Copy(all, choices)
	if m.path == "" || maps.Equal(all, known) {
		return
	}
	m.all[m.machine] = kernelChoices{Version: m.version, Ways: all}
	err := report.WriteFileAtomic(m.path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m.all)
	})
	if err != nil {
		m.warn("what is fastest here cannot be remembered: " + err.Error())
	}
}

// close lets the next one in.
func (m *kernelMemory) close() {
	if m.lock != nil {
		m.lock.Release()
	}
}
