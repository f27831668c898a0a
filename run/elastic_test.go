package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringloom/cluster"
)

// joinJob starts a node that joins a running job.
func joinJob(t *testing.T, c Config, name string, addresses ...string) *testRank {
	t.Helper()
	c.Member.WorldSize, c.Member.Join, c.Member.Name, c.Member.Birth = 0, addresses, name, time.Time{}
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
	return r
}

// address is where a node gossips.
func (r *testRank) address(t *testing.T) string {
	t.Helper()
	r.waitFor(t, "Looking", 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if l, ok := e.(Looking); ok {
			return l.Address
		}
	}
	t.Fatal("it has no address")
	return ""
}

// Epochs of ten steps, many and small ones: the race detector makes the reference device slow, and a job must not end before the test has
// done to it what it does.
func elasticEpochs() int {
	if testing.Short() {
		return 24
	}
	return 60
}

const elasticBatch = 6

// elasticConfig is a job that goes on long enough for what a test does to it.
func elasticConfig(t *testing.T, ranks int) Config {
	c := testConfig(t, ranks)
	c.Datasets = firstImages(*c.Datasets, 10*elasticBatch, 12)
	c.Train.Epochs, c.Train.GlobalBatch, c.Train.CheckpointEvery = elasticEpochs(), elasticBatch, 5
	c.Member.Elastic.On = true
	return c
}

// A job of three ranks of which one leaves, the leader is stopped, and another joins, one after the other: it ends as if nothing had happened,
// and its record is whole. What each rank tells of an epoch counts every sample once.
func TestAJobOutlivesItsRanks(t *testing.T) {
	c := elasticConfig(t, 3)
	configs := []Config{c, c, c}
	leave := make(chan struct{})
	configs[1].Leave = leave
	ranks := startJob(t, configs...)
	ranks[2].waitFor(t, "Step", 3)
	close(leave)
	ranks[1].wait(t)
	var left DepartedError
	if !errors.As(ranks[1].err, &left) || left.All || left.Step < 3 {
		t.Fatalf("the rank that left: %v", ranks[1].err)
	}
	ranks[2].waitFor(t, "Recovered", 1)
	joined := joinJob(t, c, "node-3", ranks[2].address(t))
	joined.waitFor(t, "Step", 2)
	ranks[0].cancel()
	ranks[0].wait(t)
	if !errors.Is(ranks[0].err, context.Canceled) {
		t.Errorf("the leader that was stopped: %v", ranks[0].err)
	}
	for name, r := range map[string]*testRank{"the survivor": ranks[2], "the one that joined": joined} {
		r.wait(t)
		if r.err != nil {
			t.Fatalf("%s: %v", name, r.err)
		}
		if want := finalHash(t, c.RunDir); r.result.ParametersSHA256 != want || r.result.WorldSize != 2 || r.result.Steps != 10*elasticEpochs() {
			t.Errorf("%s ends with %+v, kept is %s", name, r.result, want)
		}
	}
	told := map[int]bool{}
	for _, r := range append(ranks, joined) {
		for _, e := range r.events {
			if e, ok := e.(Epoch); ok {
				told[e.Number] = true
				samples := 0
				for _, rank := range e.Ranks {
					samples += rank.Samples
				}
				if samples != 10*elasticBatch || len(e.StepLoss) != 10 {
					t.Errorf("epoch %d has %d samples in %d steps", e.Number, samples, len(e.StepLoss))
				}
			}
		}
	}
	metrics, err := os.ReadFile(filepath.Join(c.RunDir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for epoch := 1; epoch <= elasticEpochs(); epoch++ {
		if line := fmt.Sprintf(`"epoch":%d,`, epoch); !told[epoch] || strings.Count(string(metrics), line) != 1 {
			t.Errorf("epoch %d was told: %v, and kept %d times", epoch, told[epoch], strings.Count(string(metrics), line))
		}
	}
	if states := statesIn(c.RunDir); len(states) != 2 || !strings.HasPrefix(states[0], "latest-") || !strings.HasPrefix(states[1], "previous-") {
		t.Errorf("states %v", states)
	}
}

// Where all ranks leave, the run's state is kept, and a run of another size goes on from it.
func TestAllRanksLeave(t *testing.T) {
	c := elasticConfig(t, 2)
	c.Train.CheckpointEvery = 0
	leave := make(chan struct{})
	c.Leave = leave
	ranks := startJob(t, c, c)
	ranks[0].waitFor(t, "Step", 3)
	close(leave)
	steps := map[int]bool{}
	for _, r := range ranks {
		r.wait(t)
		var left DepartedError
		if !errors.As(r.err, &left) {
			t.Fatal(r.err)
		}
		steps[left.Step] = true
	}
	resumption, err := OpenResumption(c.RunDir)
	if err != nil || !resumption.Here() || !steps[resumption.run.Steps] {
		t.Fatalf("kept is step %d, left behind %v: %v", resumption.run.Steps, steps, err)
	}
}

// A rank that differs from a running job is refused with the difference, and the job goes on.
func TestAJoinerThatDiffersIsRefused(t *testing.T) {
	c := elasticConfig(t, 2)
	ranks := startJob(t, c, c)
	ranks[1].waitFor(t, "Step", 1)
	other := c
	other.Train.LearningRate *= 2
	refused := joinJob(t, other, "other", ranks[0].address(t))
	refused.wait(t)
	var mismatch *cluster.Mismatch
	if !errors.As(refused.err, &mismatch) || !strings.Contains(refused.err.Error(), "learning rate") {
		t.Errorf("got %v", refused.err)
	}
	for _, r := range ranks {
		steps := 0
		for _, name := range r.names() {
			if name == "Step" {
				steps++
			}
		}
		r.waitFor(t, "Step", min(steps+2, 10*elasticEpochs()))
		if slices.Contains(r.names(), "ViewEnded") {
			t.Errorf("the job: %v", r.names())
		}
	}
}

func TestStateFiles(t *testing.T) {
	for number, want := range map[int]string{0: "latest.training.safetensors", 3: "latest-3.training.safetensors"} {
		latest, previous := stateFiles(number)
		if latest != want {
			t.Errorf("%d: %s", number, latest)
		}
		for name, isLatest := range map[string]bool{latest: true, previous: false} {
			if n, l, ok := stateNumber("some/where/" + name); !ok || n != number || l != isLatest {
				t.Errorf("%s: %d, %v, %v", name, n, l, ok)
			}
		}
	}
	for _, name := range []string{"final.safetensors", "latest-0.training.safetensors", "latest-01.training.safetensors", "latest-x.training.safetensors", "best.training.safetensors"} {
		if _, _, ok := stateNumber(name); ok {
			t.Errorf("%s is taken for a state", name)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"previous-2", "latest", "latest-2", "previous", "latest-10"} {
		if err := os.WriteFile(filepath.Join(dir, name+stateSuffix), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, name := range statesIn(dir) {
		got = append(got, strings.TrimSuffix(name, stateSuffix))
	}
	if want := []string{"latest-10", "latest-2", "previous-2", "latest", "previous"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
