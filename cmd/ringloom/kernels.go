package main

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

	"ringloom/models"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/report"
)

// Values of --deterministic-kernels; without one, the fastest kernels are found by trying them.
const (
	kernelsDirect = "direct"
	kernelsRule   = "rule"
)

const kernelsHelp = `pin how convolutions are computed, and with it the last bits of results: direct (oneDNN's direct algorithm) or rule (by shape alone); without it the fastest is found by trying, once a machine and shape, and remembered`

// checkKernels refuses other values.
func checkKernels(kernels string) error {
	switch kernels {
	case "", kernelsDirect, kernelsRule:
		return nil
	}
	return fmt.Errorf("--deterministic-kernels %q: choose %s or %s, or leave it out", kernels, kernelsDirect, kernelsRule)
}

// tuned is what tuneKernels did.
type tuned struct {
	tried int           // operations whose ways it tried
	took  time.Duration // waiting for others included
	file  string        // where the choices are remembered; empty where they could not be
}

// String is what the user should know of it.
func (t tuned) String() string {
	s := fmt.Sprintf("tried how to compute %d operations fastest here in %v", t.tried, t.took.Round(time.Millisecond))
	if t.file != "" {
		s += ", remembered in " + t.file
	}
	return s
}

// tuneKernels lets the device find the fastest way to compute each of the model's operations, unless another run on
// this machine has done so before. Processes that start together do it one after the other, so that the first tries on
// a quiet machine and the others follow it.
func tuneKernels(ctx context.Context, device op.Device, kernels string, model models.Spec, batch int, training bool) (t tuned, err error) {
	begin := time.Now()
	err = withKernelMemory(ctx, device, kernels, true, func(tuner op.Tuner, memory *kernelMemory) error {
		specs, err := exec.Specs(model.Build, model.InputSide, batch, training)
		if err != nil {
			return err
		}
		tuner.SetChoices(memory.choices())
		before := len(tuner.Choices())
		if err := tuner.Tune(specs); err != nil {
			return fmt.Errorf("trying kernels for %s: %w", model.Name, err)
		}
		t = tuned{tried: len(tuner.Choices()) - before, took: time.Since(begin), file: memory.path}
		return nil
	})
	return t, err
}

// rememberKernels keeps what the device has chosen since tuneKernels, such as a GPU for batches of other sizes. It waits for nobody:
// where another process has the file now, a later run chooses again.
func rememberKernels(ctx context.Context, device op.Device, kernels string) error {
	return withKernelMemory(ctx, device, kernels, false, func(op.Tuner, *kernelMemory) error { return nil })
}

// withKernelMemory hands use the memory of a device's choices, and keeps those that the device has afterwards. It does nothing
// where there is no choice: the device knows one way alone, or kernels pins it.
func withKernelMemory(ctx context.Context, device op.Device, kernels string, wait bool, use func(op.Tuner, *kernelMemory) error) error {
	tuner, ok := device.(op.Tuner)
	if !ok || kernels != "" {
		return nil
	}
	memory, err := openKernelMemory(ctx, tuner.Machine(), wait)
	if err != nil {
		return err
	}
	defer memory.close()
	if err := use(tuner, memory); err != nil {
		return err
	}
	return memory.add(tuner.Choices())
}

// kernelMemory is the file of choices of this user on this machine, locked. Its path is empty where there can be none.
type kernelMemory struct {
	path    string
	lock    *os.File
	machine string
	all     map[string]kernelChoices // by machine: the file's content
}

// kernelChoices are those that one version of ringloom has made on a machine; another version's kernels differ.
type kernelChoices struct {
	Version string            `json:"version"`
	Ways    map[string]string `json:"ways"`
}

// openKernelMemory waits until no other process has the file, or without wait is no memory while one has.
func openKernelMemory(ctx context.Context, machine string, wait bool) (*kernelMemory, error) {
	m := &kernelMemory{machine: machine, all: map[string]kernelChoices{}}
	cache, err := os.UserCacheDir()
	if err != nil { // no home: a run without a memory
		return m, nil
	}
	dir := filepath.Join(cache, "ringloom")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, nil
	}
	path := filepath.Join(dir, "kernels.json")
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
	case <-ctx.Done(): // the process is about to end
		return nil, context.Cause(ctx)
	}
	if !wait && errors.Is(err, syscall.EWOULDBLOCK) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", m.lock.Name(), err)
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading which kernels are fastest here: %w", err)
	}
	if len(content) > 0 {
		if err := json.Unmarshal(content, &m.all); err != nil {
			return nil, dataError{fmt.Errorf("%s: %w: delete the file, it will be made again", path, err)}
		}
	}
	m.path = path
	return m, nil
}

func (m *kernelMemory) choices() map[string]string {
	if c := m.all[m.machine]; c.Version == version {
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
	m.all[m.machine] = kernelChoices{Version: version, Ways: all}
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

// close lets the next process in.
func (m *kernelMemory) close() {
	if m.lock != nil {
		m.lock.Close()
	}
}
