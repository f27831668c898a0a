package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringloom/report"
)

// warnings are the texts of a rank's warnings, but for that of the device, which depends on the build.
func (r *testRank) warnings() (all []string) {
	for _, e := range r.events {
		if text, ok := warns(e); ok {
			all = append(all, text)
		}
	}
	return all
}

func warns(e Event) (text string, ok bool) {
	w, ok := e.(Warning)
	return w.Text, ok && !strings.Contains(w.Text, "using the slow reference device")
}

// trainAlone runs a job of one rank to its end.
func trainAlone(t *testing.T, c Config) *testRank {
	t.Helper()
	r := startJob(t, c)[0]
	r.wait(t)
	return r
}

// turnBit damages a file by one bit in its last byte.
func turnBit(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A damaged state is refused, and the one before it is taken and leads to the same end; it is not lost to the damaged one.
func TestTheStateBeforeADamagedOneIsTaken(t *testing.T) {
	needWhole(t)
	c := testConfig(t, 1)
	c.Train.CheckpointEvery = 2
	straight := c
	straight.RunDir, straight.Train.MaxSteps = filepath.Join(t.TempDir(), "straight"), 9
	want := trainAlone(t, straight)
	c.Train.MaxSteps = 5
	if r := trainAlone(t, c); r.err != nil || want.err != nil {
		t.Fatal(r.err, want.err)
	}
	latest, previous := filepath.Join(c.RunDir, StateFile), filepath.Join(c.RunDir, PreviousStateFile)
	if before := mustOpen(t, previous); before.run.Steps != 4 || mustOpen(t, c.RunDir).run.Steps != 5 {
		t.Fatalf("the state before is of step %d", before.run.Steps)
	}
	named := filepath.Join(t.TempDir(), "named")
	if err := os.Link(latest, named); err != nil {
		t.Fatal(err)
	}
	turnBit(t, latest)
	if _, err := OpenResumption(named); !errors.As(err, new(DataError)) || !strings.Contains(err.Error(), "damaged checkpoint: the SHA-256 of tensor") {
		t.Errorf("a damaged file that has none before it: %v", err)
	}
	for _, path := range []string{c.RunDir, latest} {
		again := c
		again.RunDir, again.Train.MaxSteps, again.Resume = "", 4+1, mustOpen(t, path)
		r := trainAlone(t, again)
		if r.err != nil || len(r.warnings()) == 0 || !strings.Contains(r.warnings()[0], "damaged checkpoint") || !strings.Contains(r.warnings()[0], "of step 4") {
			t.Fatalf("%v, warnings %q", r.err, r.warnings())
		}
		if got := mustOpen(t, previous).run.Steps; got != 4 {
			t.Errorf("the damaged state has taken the place of the one before: step %d", got)
		}
		if got := mustOpen(t, latest); got.run.Steps != 5 || got.instead != nil {
			t.Errorf("the new state is of step %d, %v", got.run.Steps, got.instead)
		}
		turnBit(t, latest)
	}
	// A crash on a file system without hard links leaves none under the latest name.
	if err := os.Remove(latest); err != nil {
		t.Fatal(err)
	}
	c.RunDir, c.Train.MaxSteps, c.Resume = "", 9, mustOpen(t, c.RunDir)
	if r := trainAlone(t, c); r.err != nil || r.result.ParametersSHA256 != want.result.ParametersSHA256 {
		t.Errorf("%v, it ends with %s, want %s", r.err, r.result.ParametersSHA256, want.result.ParametersSHA256)
	}
	// With both damaged, the error is about the one that was meant.
	turnBit(t, latest)
	turnBit(t, previous)
	if _, err := OpenResumption(latest); err == nil || !strings.Contains(err.Error(), latest) {
		t.Errorf("both are damaged: %v", err)
	}
}

// What cannot be written is said, and tried again; a run whose last state is missing ends with an error, after its last step, with its
// final parameters.
func TestAStateThatCannotBeWrittenDoesNotEndTheRun(t *testing.T) {
	needWhole(t)
	c := testConfig(t, 1)
	c.Train.CheckpointEvery = 2
	inTheWay := filepath.Join(c.RunDir, PreviousStateFile)
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := trainAlone(t, c)
	if r.err == nil || !strings.Contains(r.err.Error(), "writing the run's state") || r.result.Steps != 10 {
		t.Errorf("after step %d: %v", r.result.Steps, r.err)
	}
	if w := r.warnings(); len(w) != 4 || !strings.Contains(w[0], "tries again at the next checkpoint") { // of steps 4, 6, 8, 10
		t.Errorf("warnings %q", w)
	}
	if _, err := ReadInitial(filepath.Join(c.RunDir, FinalFile)); err != nil {
		t.Error(err)
	}
	if got := mustOpen(t, filepath.Join(c.RunDir, StateFile)).run.Steps; got != 2 {
		t.Errorf("the state is of step %d", got)
	}
	// As soon as it can be written again, it is.
	c.RunDir += "-2"
	inTheWay = filepath.Join(c.RunDir, PreviousStateFile)
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	rank := &testRank{changed: make(chan struct{})}
	_, err := Node(t.Context(), alone(c), func(e Event) {
		rank.take(e)
		if _, ok := warns(e); ok {
			if err := os.RemoveAll(inTheWay); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || len(rank.warnings()) != 1 {
		t.Errorf("%v, warnings %q", err, rank.warnings())
	}
	if got := mustOpen(t, c.RunDir).run.Steps; got != 10 {
		t.Errorf("the state is of step %d", got)
	}
}

// alone is the configuration of a node that nobody joins.
func alone(c Config) Config {
	c.Member.Name, c.Member.Birth = "alone", time.Now()
	return c
}

// The best parameters are no less.
func TestBestParametersThatCannotBeWritten(t *testing.T) {
	needWhole(t)
	c := testConfig(t, 1)
	if err := os.MkdirAll(filepath.Join(c.RunDir, BestFile, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := trainAlone(t, c)
	if r.err == nil || !strings.Contains(r.err.Error(), BestFile) || len(r.warnings()) != 1 {
		t.Errorf("%v, warnings %q", r.err, r.warnings())
	}
	for _, name := range []string{FinalFile, StateFile} {
		if _, err := os.Stat(filepath.Join(c.RunDir, name)); err != nil {
			t.Error(err)
		}
	}
}

// Two jobs that go on with one run, as where a queue has started it twice.
func TestARunIsResumedOnce(t *testing.T) {
	c := testConfig(t, 1)
	c.Train.MaxSteps = 2
	if r := trainAlone(t, c); r.err != nil {
		t.Fatal(r.err)
	}
	c.Train.MaxSteps, c.Train.Epochs = 0, 100_000
	dir := c.RunDir
	c.RunDir, c.Resume = "", mustOpen(t, dir)
	other := c
	other.Resume = mustOpen(t, dir)
	first := startJob(t, c)[0]
	first.waitFor(t, "Step", 1)
	for name, dir := range map[string]string{"the run's own": "", "the same, named": dir} {
		other.RunDir = dir
		_, err := Node(t.Context(), alone(other), nil)
		if !errors.As(err, new(UsageError)) || !errors.As(err, new(*report.InUseError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	first.cancel()
	first.wait(t)
	other.RunDir, other.Train.Epochs, other.Train.MaxSteps, other.Resume = "", 1, 4, mustOpen(t, dir)
	if r := trainAlone(t, other); r.err != nil {
		t.Errorf("after the other's end: %v", r.err)
	}
}

// needWhole leaves out, with -short, what is about files alone and takes long under the race detector and on the reference
// device: make test runs it on the processor.
func needWhole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: it runs in full with oneDNN")
	}
}
