package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ringloom/checkpoint"
	"ringloom/report"
	"ringloom/run"
)

// stateFlags are those of a run whose every step depends on the steps before.
var stateFlags = []string{"--offline", "--epochs", "2", "--global-batch", "64", "--optimizer", "adamw", "--schedule", "cosine",
	"--warmup-epochs", "0.01", "--augment", "--clip-norm", "1", "--checkpoint-every", "3"}

// readState reads the state that a run directory holds.
func readState(t *testing.T, dir string) (checkpoint.Meta, []checkpoint.Tensor) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, run.StateFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, tensors, err := checkpoint.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return meta, tensors
}

// wantSame compares all that two runs keep, and the losses of their last epochs.
func wantSame(t *testing.T, a, b string) {
	t.Helper()
	x, xs := readState(t, a)
	y, ys := readState(t, b)
	if x.Step != y.Step || !reflect.DeepEqual(xs, ys) {
		t.Errorf("the states of steps %d and %d differ", x.Step, y.Step)
	}
	m, n := readMetrics(t, a), readMetrics(t, b)
	if len(m) != len(n) {
		t.Fatalf("%d and %d lines of metrics", len(m), len(n))
	}
	for i := range m {
		if p, q := m[i], n[i]; !slices.Equal(p.StepLoss, q.StepLoss) || p.Loss != q.Loss || p.TrainAccuracy != q.TrainAccuracy ||
			p.TestAccuracy != q.TestAccuracy || p.GradNormMean != q.GradNormMean || p.LearningRate != q.LearningRate || p.Step != q.Step {
			t.Errorf("line %d of the metrics is %+v and %+v", i+1, p, q)
		}
	}
}

// kill -9 of everything in mid-epoch, and on from the last state that was kept: the same as if nothing had happened.
func TestKilledRunGoesOnToTheBit(t *testing.T) {
	needData(t)
	needSpeed(t)
	killed, straight := filepath.Join(t.TempDir(), "killed"), filepath.Join(t.TempDir(), "straight")
	launch := func(args ...string) *process {
		return start(t, t.TempDir(), append([]string{"launch", "-n", "2", "--", "--debug", "--log", "json"}, args...)...)
	}
	p := launch(append(stateFlags, "--run-dir", killed)...)
	p.waitFor(`kept the run's state.*"step":6,`)
	config := readConfig(t, killed)
	p.cmd.Process.Kill()
	for _, r := range config.Ranks {
		syscall.Kill(r.PID, syscall.SIGKILL)
	}
	p.exit()
	if len(readMetrics(t, killed)) != 0 {
		t.Fatal("the run has ended an epoch already")
	}
	// What a process that dies while it writes leaves behind.
	torn := filepath.Join(killed, "."+run.StateFile+".123")
	if err := os.WriteFile(torn, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	meta, _ := readState(t, killed)
	end := strconv.Itoa(meta.Step + 4)
	p = launch("--resume", killed, "--max-steps", end, "--offline")
	p.wantExit(0)
	p.waitFor(`"resuming"`)
	launch(append(stateFlags, "--run-dir", straight, "--max-steps", end)...).wantExit(0)
	wantSame(t, killed, straight)
	if _, err := os.Stat(torn); !os.IsNotExist(err) {
		t.Errorf("the torn file: %v", err)
	}
}

// What ranks have yet to add to the sums, the shards of the optimizer's memory and PowerSGD's factors are in the state too;
// and the run goes on by one process, with none of all this.
func TestStateHoldsWhatTheExchangeRemembers(t *testing.T) {
	needData(t)
	needSpeed(t)
	for name, flags := range map[string][]string{
		"shards":  {"--wire", "int8", "--shard-optimizer"},
		"factors": {"--powersgd", "2", "--powersgd-start", "3", "--wire", "bf16", "--error-feedback", "on"},
	} {
		t.Run(name, func(t *testing.T) {
			stopped, straight := filepath.Join(t.TempDir(), "stopped"), filepath.Join(t.TempDir(), "straight")
			launch := func(n int, args ...string) *process {
				return start(t, t.TempDir(), append([]string{"launch", "-n", strconv.Itoa(n), "--", "--log", "json"}, args...)...)
			}
			flags := append(flags, stateFlags...)
			launch(2, append(flags, "--run-dir", straight, "--max-steps", "9")...).wantExit(0)
			launch(2, append(flags, "--run-dir", stopped, "--max-steps", "5")...).wantExit(0)
			launch(2, "--resume", stopped, "--max-steps", "9").wantExit(0)
			wantSame(t, stopped, straight)
			p := launch(1, "--resume", stopped, "--max-steps", "10", "--wire", "float32", "--error-feedback", "auto", "--shard-optimizer=false", "--powersgd", "0")
			p.wantExit(0)
			p.waitFor("goes on with other settings than it had")
		})
	}
}

// One process stops and another goes on, in its directory or in a new one, alone or as two; then everything that can be
// wrong with what it resumes from.
func TestStoppedRunGoesOn(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := t.TempDir()
	stopped, straight, elsewhere := filepath.Join(dir, "stopped"), filepath.Join(dir, "straight"), filepath.Join(dir, "elsewhere")
	alone := func(args ...string) *process {
		return start(t, t.TempDir(), append([]string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--threads", "1", "--offline"}, args...)...)
	}
	alone(append(stateFlags, "--run-dir", straight, "--max-steps", "8")...).wantExit(0)
	alone(append(stateFlags, "--run-dir", stopped, "--max-steps", "5")...).wantExit(0)
	state := filepath.Join(stopped, run.StateFile)

	t.Run("refused", func(t *testing.T) {
		content, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		changed := func(name string, change func(meta *checkpoint.Meta, tensors []checkpoint.Tensor)) string {
			f, err := os.Open(state)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			meta, tensors, err := checkpoint.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			change(&meta, tensors)
			path := filepath.Join(dir, name)
			if err := report.WriteFileAtomic(path, func(w io.Writer) error { return checkpoint.Write(w, meta, tensors) }); err != nil {
				t.Fatal(err)
			}
			return path
		}
		cut := filepath.Join(dir, "cut")
		if err := os.WriteFile(cut, content[:len(content)-5], 0o644); err != nil {
			t.Fatal(err)
		}
		named := func(tensors []checkpoint.Tensor, name string) *checkpoint.Tensor {
			i := slices.IndexFunc(tensors, func(x checkpoint.Tensor) bool { return x.Name == name })
			return &tensors[i]
		}
		nan := changed("nan", func(_ *checkpoint.Meta, tensors []checkpoint.Tensor) {
			named(tensors, "model.0.bias").Data[2] = float32(math.NaN())
		})
		infinite := changed("infinite", func(_ *checkpoint.Meta, tensors []checkpoint.Tensor) {
			named(tensors, "optimizer.exp_avg.0.bias").Data[1] = float32(math.Inf(1))
		})
		renamed := changed("renamed", func(_ *checkpoint.Meta, tensors []checkpoint.Tensor) {
			named(tensors, "optimizer.exp_avg.0.bias").Name = "optimizer.momentum_buffer.0.bias"
		})
		garbled := changed("garbled", func(meta *checkpoint.Meta, _ []checkpoint.Tensor) { meta.Extra["run"] = "{" })
		for _, c := range []struct {
			code int
			says string
			args []string
		}{
			{exitData, "no such file", []string{"--resume", filepath.Join(dir, "absent")}},
			{exitData, run.StateFile + ": no such file", []string{"--resume", dir}},
			{exitData, "not a valid checkpoint: tensor", []string{"--resume", cut}},
			{exitData, `element 2 of tensor "0.bias" is NaN`, []string{"--resume", nan}},
			{exitData, `element 1 of tensor "exp_avg.0.bias" is +Inf`, []string{"--resume", infinite}},
			{exitData, `tensor "exp_avg.0.bias" [6] is missing`, []string{"--resume", renamed}},
			{exitData, "not a valid checkpoint: its entry", []string{"--resume", garbled}},
			{exitData, "start from them with --init", []string{"--resume", filepath.Join(stopped, "final.safetensors")}},
			{exitData, "seed 1 (here 2), optimizer adamw (here adam)", []string{"--resume", state, "--seed", "2", "--optimizer", "adam"}},
			{exitData, "model lenet (here vgg-tiny)", []string{"--resume", state, "--model", "vgg-tiny"}},
			{exitUsage, "it is complete: step 5 of 5", []string{"--resume", state, "--max-steps", "5"}},
			{exitUsage, "exclude each other", []string{"--resume", state, "--init", state}},
			{exitUsage, "--sync-bn has no effect: lenet has no batch norm", []string{"--sync-bn"}},
			{exitUsage, "--checkpoint-every -1", []string{"--checkpoint-every", "-1"}},
			{exitUsage, "--powersgd 2: googlenet has no fully connected weights of at least", []string{"--powersgd", "2", "--model", "googlenet"}},
			{exitUsage, "--powersgd 2 makes no sense with a sharded optimizer", []string{"--powersgd", "2", "--shard-optimizer"}},
			{exitUsage, "--powersgd-start has no effect without --powersgd", []string{"--powersgd-start", "2"}},
			{exitUsage, "--error-feedback has no effect without another --wire than float32", []string{"--error-feedback", "on"}},
			{exitUsage, `--wire "float16": choose one of float32, bf16, fp16, int8`, []string{"--wire", "float16"}},
			{exitData, `element 2 of tensor "0.bias" is NaN`, []string{"--init", nan}},
			{exitData, "it holds lenet, not nin", []string{"--init", state, "--model", "nin"}},
		} {
			p := alone(c.args...)
			p.wantExit(c.code, c.says)
		}
	})

	p := alone("--resume", state, "--run-dir", elsewhere, "--max-steps", "8")
	p.wantExit(0)
	wantSame(t, straight, elsewhere)
	if _, err := os.Stat(filepath.Join(elsewhere, run.BestFile)); err != nil {
		t.Error(err)
	}
	two := []string{"train", "--expect", "2", "--bind", "127.0.0.1:0", "--threads", "1", "--log", "json", "--max-steps", "8", "--lr", "0.001"}
	leader := start(t, dir, append(two, "--offline", "--resume", "stopped")...)
	address := leader.waitFor(`"looking for the other nodes","address":"([^"]+)"`)[1]
	// Without --run-dir it goes on in the run's directory, where the line of the unfinished epoch is replaced. The second node has no file, so it must
	// be told the run's settings.
	other := start(t, t.TempDir(), append(append(two, stateFlags...), "--resume", "stopped", "--join", address)...)
	leader.wantExit(0)
	other.wantExit(0)
	other.waitFor("no state to resume from here")
	leader.waitFor(`goes on with other settings than it had","had":\["learning rate 0.002 \(here 0.001\)"\]`)
	if a, b := leader.waitFor(sawHash)[1], other.waitFor(sawHash)[1]; a != b {
		t.Errorf("the leader ends with parameters %s, the other with %s", a, b)
	}
	m, want := readMetrics(t, stopped), readMetrics(t, straight)
	if len(m) != 1 || m[0].Step != 8 || len(m[0].StepLoss) != 8 || !slices.Equal(m[0].StepLoss[:5], want[0].StepLoss[:5]) {
		t.Errorf("metrics: %+v", m)
	}
	content, err := os.ReadFile(filepath.Join(stopped, "config.json"))
	if err != nil || !strings.Contains(string(content), `"step": 5,`) {
		t.Errorf("config.json, %v:\n%s", err, content)
	}
	if _, err := os.Stat(filepath.Join(stopped, "config-until-step-5.json")); err != nil {
		t.Error(err)
	}
}
