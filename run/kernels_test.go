package run

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"ringloom/models"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// choosy is a device that chooses for every operation that it has no choice for.
type choosy struct {
	op.Device
	known map[string]string
}

func newChoosy() *choosy { return &choosy{Device: purego.New(), known: map[string]string{}} }

func (d *choosy) Tune(specs []op.Spec) error {
	for range specs {
		if d.known["operation"] == "" {
			d.known["operation"] = "tried"
		}
	}
	return nil
}
func (d *choosy) Choices() map[string]string           { return d.known }
func (d *choosy) SetChoices(choices map[string]string) { maps.Copy(d.known, choices) }
func (d *choosy) Machine() string                      { return "test" }

func TestChoicesAreRememberedForTheNextDevice(t *testing.T) {
	spec, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "made")
	for i, c := range []struct {
		kernels Kernels
		tries   int
	}{
		{Kernels{Dir: dir, Version: "1"}, 1},
		{Kernels{Dir: dir, Version: "1"}, 0},
		{Kernels{Dir: dir, Version: "2"}, 1}, // another version's kernels differ
		{Kernels{Dir: dir, Version: "2"}, 0},
		{Kernels{Version: "2"}, 1}, // nowhere to remember them
		{Kernels{Dir: "/dev/null", Version: "2"}, 1},
		{Kernels{Dir: dir, Version: "2", Pin: KernelsRule}, 0},
	} {
		d := newChoosy()
		defer d.Close()
		trial, err := c.kernels.Tune(t.Context(), d, spec, 4, true)
		if err != nil || trial.Operations != c.tries {
			t.Errorf("%d: %+v, %v; want %d tried", i, trial, err, c.tries)
		}
		if there := trial.File == filepath.Join(dir, "kernels.json"); there != (c.kernels.Dir == dir && c.kernels.Pin == "") {
			t.Errorf("%d: remembered in %q", i, trial.File)
		}
		d.known["later"] = "chosen"
		if err := c.kernels.Remember(t.Context(), d); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	d := newChoosy()
	defer d.Close()
	if _, err := (Kernels{Dir: dir, Version: "2"}).Tune(t.Context(), d, spec, 4, true); err != nil || d.known["later"] != "chosen" {
		t.Errorf("what came up later is not kept: %v, %v", d.known, err)
	}
}

// One that waits for the file ends with its context, and the file is free for the next one.
func TestWaitingForTheKernelsEndsWithTheContext(t *testing.T) {
	k := Kernels{Dir: t.TempDir()}
	held, err := openKernelMemory(t.Context(), k, "test", true)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := openKernelMemory(t.Context(), k, "test", false); err != nil || other.path != "" {
		t.Errorf("without waiting: %+v, %v", other, err)
	} else {
		other.close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openKernelMemory(ctx, k, "test", true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	held.close()
	next, err := openKernelMemory(t.Context(), k, "test", true)
	if err != nil || next.path == "" {
		t.Fatalf("%+v, %v", next, err)
	}
	next.close()
}

// A damaged file is an error, and locks nobody out.
func TestDamagedKernels(t *testing.T) {
	k := Kernels{Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(k.Dir, "kernels.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := openKernelMemory(t.Context(), k, "test", true); !errors.As(err, new(DataError)) {
			t.Errorf("%v", err)
		}
	}
}
