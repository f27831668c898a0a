package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringloom/cluster"
	"ringloom/data"
)

// loadedSets are loaded once for all tests.
var loadedSets = sync.OnceValues(func() (Datasets, error) {
	return LoadData(context.Background(), data.Options{Offline: true})
})

// testSets are the first images of Fashion-MNIST: real ones, and few, for the reference device under the race detector is slow.
func testSets(t *testing.T) *Datasets {
	t.Helper()
	all, err := loadedSets()
	if errors.As(err, new(*data.NotFoundError)) {
		t.Skip("SKIPPED, NO DATA: Fashion-MNIST is not installed here; make setup installs it")
	}
	if err != nil {
		t.Fatal(err)
	}
	return firstImages(all, 480, 60)
}

// firstImages are so many of each set.
func firstImages(all Datasets, train, test int) *Datasets {
	first := func(d *data.Dataset, n int) *data.Dataset {
		return data.NewDataset(d.Images[:n*d.Side*d.Side], d.Labels[:n], d.Side)
	}
	sets := NewDatasets(first(all.Train, train), first(all.Test, test), all.Dir)
	return &sets
}

// testConfig is a LeNet on one thread, as one of so many ranks.
func testConfig(t *testing.T, ranks int) Config {
	c := Default()
	c.Train.Epochs, c.Train.GlobalBatch, c.Train.CheckEvery = 1, 48, 2
	c.Member.WorldSize, c.Member.JoinTimeout = ranks, patience
	c.Device.Threads, c.Device.Kernels.Dir = 1, t.TempDir()
	c.Datasets, c.RunDir, c.Version = testSets(t), filepath.Join(t.TempDir(), "run"), "test"
	return c
}

// patience is how long ranks may take for what they must do; no test waits for it to pass.
const patience = 3 * time.Minute

// testRank is a node that runs in this process.
type testRank struct {
	cancel context.CancelFunc
	ended  chan struct{}
	result Result // both once it has ended
	err    error

	mu      sync.Mutex
	events  []Event
	changed chan struct{} // closed at the next event
}

// take is the node's sink.
func (r *testRank) take(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

// names are those of the events so far that do not depend on how fast nodes find each other, or on the device.
func (r *testRank) names() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		switch e.(type) {
		case Waiting, KernelsTried, Warning, Diagnostic:
		default:
			all = append(all, strings.TrimPrefix(fmt.Sprintf("%T", e), "run."))
		}
	}
	return all
}

// waitFor blocks until events of a name have come so many times.
func (r *testRank) waitFor(t *testing.T, name string, times int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		n := 0
		for _, s := range r.names() {
			if s == name {
				n++
			}
		}
		if n >= times {
			return
		}
		select {
		case <-changed:
		case <-r.ended:
			t.Fatalf("it has ended, with %d events %s of %d: %v", n, name, times, r.err)
		case <-deadline:
			t.Fatalf("%d events %s of %d", n, name, times)
		}
	}
}

// startJob runs a node for each configuration in this process. The first one has no address to join, and its own is given to the others.
func startJob(t *testing.T, configs ...Config) []*testRank {
	t.Helper()
	var ranks []*testRank
	var join []string
	birth := time.Now()
	for i, c := range configs {
		announced := make(chan string, 1)
		c.Member.Name, c.Member.Birth, c.Member.Join = fmt.Sprintf("node-%d", i), birth.Add(time.Duration(i)), join
		c.Member.Announce = func(address string) error {
			announced <- address
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := &testRank{cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
		go func() {
			defer close(r.ended)
			r.result, r.err = Node(ctx, c, r.take)
		}()
		t.Cleanup(func() {
			cancel()
			<-r.ended
		})
		ranks = append(ranks, r)
		select {
		case address := <-announced:
			join = []string{address}
		case <-r.ended:
			t.Fatalf("node %d ended before it had an address: %v", i, r.err)
		}
	}
	return ranks
}

// wait blocks until a rank has ended.
func (r *testRank) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Fatalf("it does not end; its events are %v", r.names())
	}
}

// A job of three ranks, each with its gossip, its NATS server and its device, in this process.
func TestAJobOfThreeRanks(t *testing.T) {
	c := testConfig(t, 3)
	c.Train.MaxSteps = 4
	for rank, r := range startJob(t, c, c, c) {
		r.wait(t)
		if r.err != nil {
			t.Fatalf("rank %d: %v", rank, r.err)
		}
		want := []string{"Looking", "Joined", "Recording", "Training", "Step", "Step", "Step", "Step", "Epoch", "Checkpoint", "Finished", "RecordClosed"}
		if rank > 0 { // the leader alone keeps checkpoints
			want = slices.DeleteFunc(want, func(name string) bool { return name == "Checkpoint" })
		}
		if got := r.names(); !slices.Equal(got, want) {
			t.Errorf("rank %d: events %v, want %v", rank, got, want)
		}
		r.check(t, c, rank)
	}
	for _, name := range []string{"config.json", "metrics.jsonl", "rank-0.log", "rank-1.log", "rank-2.log", StateFile, BestFile, FinalFile} {
		if _, err := os.Stat(filepath.Join(c.RunDir, name)); err != nil {
			t.Error(err)
		}
	}
	// The same job again ends with the same bits, whatever was tried and remembered meanwhile.
	again := c
	again.RunDir += "-2"
	first := finalHash(t, c.RunDir)
	for _, r := range startJob(t, again, again, again) {
		r.wait(t)
		if r.err != nil || r.result.ParametersSHA256 != first {
			t.Errorf("again: %+v, %v; before: %s", r.result, r.err, first)
		}
	}
}

// check compares a rank's result with its events.
func (r *testRank) check(t *testing.T, c Config, rank int) {
	t.Helper()
	if r.result.Rank != rank || r.result.WorldSize != 3 || r.result.Steps != 4 || r.result.RunDir != c.RunDir {
		t.Errorf("rank %d: %+v", rank, r.result)
	}
	if (r.result.BestAccuracy == r.result.TestAccuracy) != (rank == 0) {
		t.Errorf("rank %d: accuracy %v, best %v", rank, r.result.TestAccuracy, r.result.BestAccuracy)
	}
	if want := finalHash(t, c.RunDir); r.result.ParametersSHA256 != want {
		t.Errorf("rank %d ends with parameters %s, %s are kept", rank, r.result.ParametersSHA256, want)
	}
	for _, event := range r.events {
		switch e := event.(type) {
		case Joined:
			if e.View.Rank != rank || e.View.WorldSize() != 3 || e.View.Members[2].Name != "node-2" {
				t.Errorf("rank %d joins as %+v", rank, e.View)
			}
		case Epoch:
			if e.Number != 1 || e.Steps != 4 || len(e.Ranks) != 3 || len(e.StepLoss) != 4 || e.TestAccuracy != r.result.TestAccuracy {
				t.Errorf("rank %d: epoch %+v", rank, e)
			}
		case Finished:
			if e.Result != r.result {
				t.Errorf("rank %d: finished with %+v, returned %+v", rank, e.Result, r.result)
			}
		}
	}
}

// finalHash is that of the parameters that a run directory keeps.
func finalHash(t *testing.T, dir string) string {
	t.Helper()
	device, _, err := OpenDevice(DeviceConfig{Name: "purego"})
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	kept, err := ReadInitial(filepath.Join(dir, FinalFile))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := kept.Model("")
	if err != nil {
		t.Fatal(err)
	}
	params, err := kept.Params(spec, device)
	if err != nil {
		t.Fatal(err)
	}
	return hashParams(params)
}

// One rank, the leader or another, is stopped in mid-training: the others end with an error that names it as the root cause.
func TestARankThatIsStoppedIsTheRootCause(t *testing.T) {
	for _, victim := range []int{0, 2} {
		t.Run(fmt.Sprintf("rank %d", victim), func(t *testing.T) {
			c := testConfig(t, 3)
			c.Train.Epochs = 100_000
			ranks := startJob(t, c, c, c)
			for _, r := range ranks {
				r.waitFor(t, "Step", 3)
			}
			ranks[victim].cancel()
			for rank, r := range ranks {
				r.wait(t)
				names := r.names()
				if last := len(names) - 1; names[last] != "Failure" || !slices.Contains(names, "Stopped") || !slices.Contains(names, "RecordClosed") {
					t.Errorf("rank %d: events %v", rank, names)
				}
				if failure, ok := r.events[len(r.events)-1].(Failure); !ok || failure.Err != r.err {
					t.Errorf("rank %d: the last event is %+v, the error %v", rank, failure, r.err)
				}
				var aborted *cluster.Aborted
				switch peer := errors.As(r.err, new(PeerError)); {
				case rank == victim:
					if peer || !errors.Is(r.err, cluster.ErrInterrupted) || !errors.Is(r.err, context.Canceled) {
						t.Errorf("rank %d, which was stopped: %v", rank, r.err)
					}
				case !peer || !errors.As(r.err, &aborted) || aborted.Rank != victim || !strings.Contains(r.err.Error(), fmt.Sprintf("node-%d", victim)):
					t.Errorf("rank %d does not name rank %d: %v", rank, victim, r.err)
				}
			}
		})
	}
}

// A node that differs is refused, and says how; the others go on waiting.
func TestANodeThatDiffersIsRefused(t *testing.T) {
	c := testConfig(t, 3)
	other := c
	other.Train.LearningRate *= 2
	ranks := startJob(t, c, other)
	ranks[1].wait(t)
	var mismatch *cluster.Mismatch
	if err := ranks[1].err; !errors.As(err, new(ClusterError)) || !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "learning rate") {
		t.Errorf("%v", err)
	}
	if names := ranks[1].names(); !slices.Equal(names, []string{"Looking", "Failure"}) {
		t.Errorf("events %v", names)
	}
	ranks[0].waitFor(t, "Looking", 1)
	ranks[0].cancel()
	ranks[0].wait(t)
	if names := ranks[0].names(); !errors.Is(ranks[0].err, context.Canceled) || slices.Contains(names, "Joined") {
		t.Errorf("%v, events %v", ranks[0].err, names)
	}
}

// A timeline that one rank asks for has all of them, in the last steps.
func TestATimelineOfAllRanks(t *testing.T) {
	c := testConfig(t, 3)
	c.Train.MaxSteps = 4
	asks := c
	asks.Trace = TraceConfig{File: filepath.Join(t.TempDir(), "trace.json"), Steps: 2}
	for rank, r := range startJob(t, c, asks, c) {
		r.wait(t)
		if r.err != nil {
			t.Fatal(r.err)
		}
		if got := slices.Contains(r.names(), "TimelineWritten"); got != (rank == 1) || !slices.Contains(r.names(), "ClockMeasured") {
			t.Errorf("rank %d: events %v", rank, r.names())
		}
	}
	content, err := os.ReadFile(asks.Trace.File)
	if err != nil {
		t.Fatal(err)
	}
	var events []struct{ Pid int }
	if err := json.Unmarshal(content, &events); err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	for _, e := range events {
		pids[e.Pid] = true
	}
	if len(pids) != 3 {
		t.Errorf("the timeline has processes %v", pids)
	}
}
