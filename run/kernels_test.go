package run

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

func (d *choosy) Tune(_ context.Context, specs []op.Spec) error {
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

// A file of speeds never ends a run: the user is told, and what is fastest is tried again.
func TestAMemoryThatCannotBeUsedIsNone(t *testing.T) {
	spec, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		kept  bool // it is remembered after all
		says  string
	}{
		"damaged":    {func(dir string) error { return os.WriteFile(filepath.Join(dir, "kernels.json"), []byte("{"), 0o644) }, true, "cannot be read"},
		"null":       {func(dir string) error { return os.WriteFile(filepath.Join(dir, "kernels.json"), []byte("null"), 0o644) }, true, ""},
		"unreadable": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "kernels.json"), 0o755) }, false, "cannot be read"},
		"odd lock":   {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "locks", "kernels"), 0o755) }, false, "not remembered"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			k := Kernels{Dir: t.TempDir(), Version: "1", Warn: func(text string) { said = append(said, text) }}
			if err := c.spoil(k.Dir); err != nil {
				t.Fatal(err)
			}
			d := newChoosy()
			defer d.Close()
			if trial, err := k.Tune(t.Context(), d, spec, 4, true); err != nil || trial.Operations != 1 {
				t.Fatalf("%+v, %v", trial, err)
			}
			if (c.says == "") != (len(said) == 0) || !strings.Contains(strings.Join(said, "\n"), c.says) {
				t.Errorf("the user is told %q", said)
			}
			content, err := os.ReadFile(filepath.Join(k.Dir, "kernels.json"))
			if kept := err == nil && strings.Contains(string(content), "tried"); kept != c.kept {
				t.Errorf("remembered: %v, %v", kept, err)
			}
		})
	}
}

// Another program that holds the lock does not keep the run from going on.
func TestALockThatIsHeldIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as a holder is given")
	}
	k := Kernels{Dir: t.TempDir()}
	var warned, said int
	k.Warn, k.Say = func(string) { warned++ }, func(string) { said++ }
	if err := os.MkdirAll(filepath.Join(k.Dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(k.Dir, "locks", "kernels"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	m, err := openKernelMemory(t.Context(), k, "test", true)
	if err != nil || m.path != "" || warned != 1 || said == 0 {
		t.Errorf("%+v, %v; %d warnings, told %d times", m, err, warned, said)
	}
}

// endless is a device whose trials end with their context alone.
type endless struct{ *choosy }

func (d endless) Tune(ctx context.Context, _ []op.Spec) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestTrialsEndWithTheContext(t *testing.T) {
	spec, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	d := endless{newChoosy()}
	defer d.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := (Kernels{Dir: t.TempDir()}).Tune(ctx, d, spec, 4, true); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}
