package run

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn/purego"
	"ringloom/train"
)

// keepState makes the folder of a LeNet's run that has taken one step.
func keepState(t *testing.T, sets *Datasets, c train.Config, best float64) (dir string) {
	t.Helper()
	device := purego.New()
	defer device.Close()
	spec, err := models.Lookup(c.Model)
	if err != nil {
		t.Fatal(err)
	}
	params, err := spec.NewParams(device)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	s := train.State{Config: c, WorldSize: 1, Steps: 1, Epoch: 1, Ranks: []train.Partial{{RankEpoch: train.RankEpoch{Samples: c.GlobalBatch, StepLoss: make([]float64, 1)}}}, Memory: train.NewMemory(c, 1, params)}
	meta := checkpoint.Meta{Model: c.Model, Step: 1}
	if err := writeState(filepath.Join(dir, StateFile), PreviousStateFile, meta, params, runState{s, sets.Hash, best}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mustOpen(t *testing.T, dir string) *Resumption {
	t.Helper()
	r, err := OpenResumption(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRanksMustResumeTheSameFile(t *testing.T) {
	c := testConfig(t, 2)
	c.RunDir = ""
	one, two := keepState(t, c.Datasets, c.Train, 0.5), keepState(t, c.Datasets, c.Train, 0.6)
	for _, test := range []struct{ leader, says string }{
		{one, "rank 1 has another file"},
		{t.TempDir(), "rank 0 leads and has no such file"},
	} {
		leader, other := c, c
		leader.Resume, other.Resume = mustOpen(t, test.leader), mustOpen(t, two)
		for rank, r := range startJob(t, leader, other) {
			r.wait(t)
			if !errors.As(r.err, new(AgreedError)) || !errors.As(r.err, new(DataError)) || !strings.Contains(r.err.Error(), test.says) {
				t.Errorf("rank %d: %v", rank, r.err)
			}
			if absent := slices.Contains(r.names(), "StateAbsent"); absent != (rank == 0 && test.leader != one) {
				t.Errorf("rank %d: events %v", rank, r.names())
			}
		}
		if _, err := os.Stat("runs"); !os.IsNotExist(err) {
			t.Errorf("a run directory is left: %v", err)
		}
	}
}

// The leader's state is enough; the run goes on in the other directory that is named, and says so.
func TestARunGoesOnWithTheLeadersState(t *testing.T) {
	c := testConfig(t, 2)
	c.Train.MaxSteps = 3
	dir := keepState(t, c.Datasets, c.Train, 0.5)
	leader, other := c, c
	leader.Train.LearningRate, other.Train.LearningRate = 0.001, 0.001
	leader.Resume, other.Resume = mustOpen(t, dir), mustOpen(t, t.TempDir())
	ranks := startJob(t, leader, other)
	for rank, r := range ranks {
		r.wait(t)
		if r.err != nil || r.result.Steps != 3 {
			t.Fatalf("rank %d: %+v, %v", rank, r.result, r.err)
		}
		want := []string{"StateAbsent", "Looking", "Joined", "Recording", "Training", "Step", "Step", "Epoch", "Finished", "RecordClosed"}
		if rank == 0 {
			want = []string{"SettingsChanged", "Looking", "Joined", "Recording", "Resuming", "Training", "Step", "Step", "Epoch", "Checkpoint", "Finished", "RecordClosed"}
		}
		if got := r.names(); !slices.Equal(got, want) {
			t.Errorf("rank %d: events %v, want %v", rank, got, want)
		}
	}
	if ranks[0].result.ParametersSHA256 != ranks[1].result.ParametersSHA256 {
		t.Errorf("%+v and %+v", ranks[0].result, ranks[1].result)
	}
}

// A node that is alone needs the file.
func TestAloneWithoutAState(t *testing.T) {
	c := testConfig(t, 1)
	c.Resume = mustOpen(t, t.TempDir())
	_, err := Node(t.Context(), c, nil)
	if !errors.As(err, new(DataError)) || !strings.Contains(err.Error(), StateFile+": no such file") {
		t.Errorf("%v", err)
	}
}

// A state that says that the run is complete is refused by --resume. So the final parameters are kept before: kill -9 between the two
// lost them.
func TestFinalParametersComeBeforeTheLastState(t *testing.T) {
	c := testConfig(t, 1)
	c.Train.MaxSteps, c.Train.CheckpointEvery = 4, 2
	final := filepath.Join(c.RunDir, FinalFile)
	var before []byte
	_, err := Node(t.Context(), c, func(e Event) {
		if state, is := e.(Checkpoint); is && state.Step == c.Train.LastStep(480) {
			var err error
			if before, err = os.ReadFile(final); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(final)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("%d bytes before the last state, %d at the end: %v", len(before), len(after), err)
	}
}
