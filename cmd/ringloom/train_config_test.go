package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"ringloom/train"
)

// A library's error about a setting names the flag, wherever it stands.
func TestErrorsNameTheFlag(t *testing.T) {
	cfg := train.DefaultConfig()
	cfg.LearningRate = -1
	err := fmt.Errorf("rank 1: %w", cfg.Validate(2))
	if got, want := explain(err), "rank 1: --lr -1: give a positive, finite learning rate that float32 has"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A learning rate beyond float32 ruins the parameters at the first update, so the second step's loss is NaN on both
// ranks: the first is named by both.
func TestNonFiniteLossEndsAllRanksWithTheSameLine(t *testing.T) {
	needData(t)
	var lines []string
	for i, p := range trainRanks(t, 2, "--global-batch", "32", "--lr", "1e38") {
		p.wantExit([]int{exitFailed, exitPeer}[i], "the loss of rank 0 is NaN at epoch 1, step 2, in a batch of 16 (samples ", "lower the learning rate (now 1e+38)")
		_, last := p.exit()
		lines = append(lines, last)
	}
	if lines[0] != lines[1] {
		t.Errorf("rank 0 ends with %q, rank 1 with %q", lines[0], lines[1])
	}
}

// The kernels of the device that the binary has must not care where a shard begins.
func TestShardsTrainTheSameBits(t *testing.T) {
	needData(t)
	needSpeed(t)
	var hashes []string
	for _, flags := range [][]string{nil, {"--shard-optimizer"}} {
		for _, optimizer := range []string{"adamw", "sgd"} {
			p := start(t, t.TempDir(), append([]string{"launch", "-n", "3", "--", "--offline", "--log", "json", "--max-steps", "4",
				"--optimizer", optimizer, "--weight-decay", "0.01"}, flags...)...)
			p.wantExit(0)
			hashes = append(hashes, p.waitFor(sawHash)[1])
		}
	}
	if hashes[0] != hashes[2] || hashes[1] != hashes[3] || hashes[0] == hashes[1] {
		t.Errorf("parameters of adamw and sgd, without shards and with: %v", hashes)
	}
}

func TestEveryTrainingOptionInOneRun(t *testing.T) {
	needData(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, t.TempDir(), "launch", "-n", "2", "--", "--offline", "--run-dir", dir, "--max-steps", "6", "--global-batch", "48",
		"--optimizer", "adamw", "--weight-decay", "0.01", "--schedule", "cosine", "--min-lr", "1e-5", "--warmup-epochs", "0.002", "--scale-lr",
		"--accumulate", "3", "--clip-norm", "0.5", "--label-smoothing", "0.1", "--augment", "--crop-padding", "3", "--flip=false")
	p.wantExit(0)
	m := readMetrics(t, dir)
	if len(m) != 1 || m[0].GradNormMax < m[0].GradNormMean || m[0].GradNormMean <= 0 {
		t.Fatalf("metrics: %+v", m)
	}
	if m[0].LearningRate < 3.99e-3 || m[0].LearningRate > 4e-3 { // 2e-3 for two ranks, hardly begun to fall
		t.Errorf("learning rate %v", m[0].LearningRate)
	}
	if text, _ := p.text(); !strings.Contains(text, "\nlearning rate 0.004, gradient norm mean ") {
		t.Error("no line with the rate and the norm")
	}
}
