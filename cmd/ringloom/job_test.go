package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringloom/checkpoint"
	"ringloom/cluster"
	"ringloom/report"
	"ringloom/train"
)

// quick are the flags of a short real job.
var quick = []string{"--epochs", "1", "--max-steps", "4", "--global-batch", "48", "--check-every", "2"}

func readMetrics(t *testing.T, dir string) []report.Metrics {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []report.Metrics
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var m report.Metrics
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// runConfig is what config.json says that tests look at.
type runConfig struct {
	Train     train.Config
	WorldSize int `json:"world_size"`
	Ranks     []cluster.Member
}

// readConfig is what a run has written of how it was started.
func readConfig(t *testing.T, dir string) (config runConfig) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(content, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// One real job of three processes over loopback, launched and by hand, twice each: the ranks agree to the bit, and so
// do the runs.
func TestThreeProcessesAgreeHoweverTheyAreStarted(t *testing.T) {
	needData(t)
	needSpeed(t)
	hashes := map[string]string{}
	for _, name := range []string{"launch", "launch again"} {
		dir := filepath.Join(t.TempDir(), "run")
		p := start(t, t.TempDir(), append([]string{"launch", "-n", "3", "--", "--offline", "--run-dir", dir}, quick...)...)
		p.wantExit(0)
		text, _ := p.text()
		if n := strings.Count(text, "\nepoch 1, loss "); n != 1 {
			t.Errorf("%s: %d epoch lines", name, n)
		}
		if !strings.Contains(text, "exposed comm s") || !strings.Contains(text, "sum, mean") {
			t.Errorf("%s: no table", name)
		}
		for rank := range 3 {
			hashes[fmt.Sprintf("%s rank %d", name, rank)] = p.waitFor(fmt.Sprintf(`"rank":%d,"steps":4,`, rank) + sawHash)[1]
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("rank-%d.log", rank))); err != nil {
				t.Error(err)
			}
		}
		checkRecord(t, dir)
	}
	for _, name := range []string{"by hand", "by hand again"} {
		for i, p := range trainRanks(t, 3, quick...) {
			p.wantExit(0)
			hashes[fmt.Sprintf("%s process %d", name, i)] = p.waitFor(sawHash)[1]
		}
	}
	for who, hash := range hashes {
		if hash != hashes["launch rank 0"] {
			t.Errorf("%s ends with parameters %s, launch rank 0 with %s", who, hash, hashes["launch rank 0"])
		}
	}
}

// checkRecord reads back what the quick job must leave behind.
func checkRecord(t *testing.T, dir string) {
	t.Helper()
	m := readMetrics(t, dir)
	if len(m) != 1 || m[0].Epoch != 1 || m[0].Step != 4 || len(m[0].StepLoss) != 4 || m[0].TestAccuracy <= 0 {
		t.Errorf("metrics: %+v", m)
	}
	for _, name := range []string{"final.safetensors", "best.safetensors"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		meta, tensors, err := checkpoint.Read(f)
		f.Close()
		if err != nil || meta.Model != "lenet" || meta.Step != 4 || len(tensors) != 10 {
			t.Errorf("%s: %+v, %d tensors, %v", name, meta, len(tensors), err)
		}
	}
	if config := readConfig(t, dir); config.WorldSize != 3 || len(config.Ranks) != 3 || config.Train.GlobalBatch != 48 {
		t.Errorf("config: %+v", config)
	}
}

// The loss curve depends on the global batch, not on how many ranks share it.
func TestOneAndFourRanksTrainTheSameCurve(t *testing.T) {
	needData(t)
	needSpeed(t)
	const steps = "50"
	curve := func(args ...string) []float64 {
		dir := filepath.Join(t.TempDir(), "run")
		p := start(t, t.TempDir(), append(args, "--offline", "--run-dir", dir, "--global-batch", "256", "--max-steps", steps)...)
		p.wantExit(0)
		return readMetrics(t, dir)[0].StepLoss
	}
	one := curve("train", "--expect", "1", "--bind", "127.0.0.1:0", "--threads", "1")
	four := curve("launch", "-n", "4", "--")
	if fmt.Sprint(len(one)) != steps || len(four) != len(one) {
		t.Fatalf("%d and %d steps, want %s", len(one), len(four), steps)
	}
	for i := range one {
		if math.Abs(one[i]-four[i]) > 1e-4 {
			t.Errorf("step %d: loss %v alone, %v with four ranks", i+1, one[i], four[i])
		}
	}
}

// kill -9 of a worker or of the leader in mid-epoch: the others end, and say who died.
func TestKilledRankEndsTheOthersWithItsName(t *testing.T) {
	needData(t)
	needSpeed(t)
	for victim, name := range []string{"leader", "worker"} {
		t.Run(name, func(t *testing.T) {
			ranks := trainRanks(t, 3, "--epochs", "1000")
			ranks[0].waitFor(`epoch 1  step \d+/235`)
			ranks[victim].cmd.Process.Signal(syscall.SIGKILL)
			for i, p := range ranks {
				if i != victim {
					p.wantExit(exitPeer, "rank", fmt.Sprintf("pid %d", ranks[victim].cmd.Process.Pid), "died")
				}
			}
		})
	}
}

func TestLaunchShowsTheFirstFailureLast(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, t.TempDir(), "launch", "-n", "3", "--", "--offline", "--epochs", "1000", "--run-dir", dir)
	p.waitFor(`epoch 1  step \d+/235`)
	config := readConfig(t, dir)
	syscall.Kill(config.Ranks[1].PID, syscall.SIGKILL)
	p.wantExit(exitPeer, fmt.Sprintf("rank 1 (pid %d) was killed by signal 9", config.Ranks[1].PID))
	p.waitFor(`rank 2 \| ringloom: .*died`)
}

func TestInterruptEndsAllRanks(t *testing.T) {
	needData(t)
	needSpeed(t)
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--epochs", "1000")
	p.waitFor(`epoch 1  step \d+/235`)
	p.cmd.Process.Signal(os.Interrupt)
	p.wantExit(exitInterrupted, "interrupted")
	p.waitFor(`rank 1 \| ringloom: interrupted by signal "`) // said once
	p.waitFor(`"run_dir":"runs/[^"]+-lenet-n2"`)             // what --resume then needs
}

func TestPeerWithAnotherConfigurationIsRefused(t *testing.T) {
	needData(t)
	first := start(t, t.TempDir(), "train", "--expect", "2", "--bind", "127.0.0.1:0", "--offline", "--log", "json", "--lr", "0.001")
	address := first.waitFor(`"address":"([^"]+)"`)[1]
	second := start(t, t.TempDir(), "train", "--expect", "2", "--bind", "127.0.0.1:0", "--offline", "--log", "json", "--lr", "0.002", "--join", address)
	second.wantExit(exitCluster, "learning rate", "0.002", "0.001")
	first.waitFor(`learning rate`)
}

func TestPeerWithAnotherKeyIsRefused(t *testing.T) {
	needData(t)
	key := func(s string) string {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := start(t, t.TempDir(), "train", "--expect", "2", "--bind", "127.0.0.1:0", "--offline", "--log", "json", "--key-file", key("correct horse battery"))
	address := first.waitFor(`"address":"([^"]+)"`)[1]
	second := start(t, t.TempDir(), "train", "--expect", "2", "--bind", "127.0.0.1:0", "--offline", "--log", "json", "--join", address,
		"--join-timeout", "5s", "--key-file", key("wrong horse and battery"))
	second.wantExit(exitCluster, "key")
}

func TestPeerOfAnotherJobIsRefused(t *testing.T) {
	first := start(t, t.TempDir(), "bench", "allreduce", "--expect", "2", "--bind", "127.0.0.1:0", "--log", "json", "--job", "mine")
	address := first.waitFor(`"address":"([^"]+)"`)[1]
	second := start(t, t.TempDir(), "bench", "allreduce", "--expect", "2", "--bind", "127.0.0.1:0", "--log", "json", "--join", address, "--job", "yours")
	second.wantExit(exitCluster, "the node there is of job", "mine", "yours")
}

func TestMissingPeersAreCounted(t *testing.T) {
	needData(t)
	p := start(t, t.TempDir(), "train", "--expect", "3", "--bind", "127.0.0.1:0", "--offline", "--join-timeout", "2s")
	p.wantExit(exitCluster, "1 of 3")
}

func TestPortInUseIsNamed(t *testing.T) {
	needData(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	p := start(t, t.TempDir(), "train", "--expect", "2", "--bind", address, "--offline")
	p.wantExit(exitCluster, address, "in use")
	p = start(t, t.TempDir(), "train", "--expect", "2", "--bind", "127.0.0.1:0", "--nats-bind", address, "--offline")
	p.wantExit(exitCluster, address, "in use")
}
