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

	"ringloom/report"
)

// kernelMemory is the file of choices of this user on this machine, locked. Its path is empty where there can be none.
type kernelMemory struct {
	path    string
	lock    *os.File
	version string
	machine string
	all     map[string]kernelChoices // by machine: the file's content
}

// kernelChoices are those that one version of ringloom has made on a machine; another version's kernels differ.
type kernelChoices struct {
	Version string            `json:"version"`
	Ways    map[string]string `json:"ways"`
}

// openKernelMemory waits until nobody else has the file, or without wait is no memory while somebody has.
func openKernelMemory(ctx context.Context, k Kernels, machine string, wait bool) (*kernelMemory, error) {
	m := &kernelMemory{version: k.Version, machine: machine, all: map[string]kernelChoices{}}
	if k.Dir == "" {
		return m, nil
	}
	err := os.MkdirAll(k.Dir, 0o755)
	if err != nil {
		return m, nil
	}
	path := filepath.Join(k.Dir, "kernels.json")
	if m.lock, err = os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return m, nil
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(m.lock.Fd()), how) }()
	select {
	case err = <-locked:
	case <-ctx.Done(): // the run is about to end
		go func() { // and lets the next one in once it has got there
			<-locked
			m.close()
		}()
		return nil, context.Cause(ctx)
	}
	if !wait && errors.Is(err, syscall.EWOULDBLOCK) {
		return m, nil
	}
	if err == nil {
		err = m.read(path)
	} else {
		err = fmt.Errorf("locking %s: %w", m.lock.Name(), err)
	}
	if err != nil {
		m.close()
		return nil, err
	}
	m.path = path
	return m, nil
}

// read takes the file's content, if there is one.
func (m *kernelMemory) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading which kernels are fastest here: %w", err)
	}
	if len(content) == 0 {
		return nil
	}
	if err := json.Unmarshal(content, &m.all); err != nil {
		return DataError{fmt.Errorf("%s: %w: delete the file, it will be made again", path, err)}
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
func (m *kernelMemory) add(choices map[string]string) error {
	known, all := m.choices(), map[string]string{}
	maps.Copy(all, known)
	maps.Copy(all, choices)
	if m.path == "" || maps.Equal(all, known) {
		return nil
	}
	m.all[m.machine] = kernelChoices{Version: m.version, Ways: all}
	err := report.WriteFileAtomic(m.path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(m.all)
	})
	if err != nil {
		return fmt.Errorf("remembering which kernels are fastest here: %w", err)
	}
	return nil
}

// close lets the next one in.
func (m *kernelMemory) close() {
	if m.lock != nil {
		m.lock.Close()
	}
}
