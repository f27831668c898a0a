package main

import (
	"strings"
	"testing"

	"ringloom/nn/onednn"
)

// triesKernels evaluates a model, and reports whether ways to compute it were tried.
func triesKernels(t *testing.T, model string, args ...string) bool {
	t.Helper()
	p := start(t, t.TempDir(), append([]string{"evaluate", "--init", model, "--offline"}, args...)...)
	p.wantExit(0)
	output, _ := p.text()
	return strings.Contains(output, "tried how to compute")
}

// TestEvaluateRemembersKernels: an evaluation tries what nobody has tried, keeps it for the next, and finds what train has kept.
func TestEvaluateRemembersKernels(t *testing.T) {
	needData(t)
	if err := onednn.Available(); err != nil {
		t.Skipf("SKIPPED, choices of kernels were NOT tested: %v", err)
	}
	model := writeModel(t, "lenet")
	args := []string{"--device", "cpu", "--threads", "1", "--images", "20", "--batch", "24"}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if triesKernels(t, model, append(args, "--deterministic-kernels", "rule")...) {
		t.Error("ways were tried though a rule says which to take")
	}
	if !triesKernels(t, model, args...) {
		t.Skip("SKIPPED, choices of kernels were NOT tested: this processor has one way to compute each operation of lenet")
	}
	if triesKernels(t, model, args...) {
		t.Error("a second evaluation tries again")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	trainRanks(t, 1, "--device", "cpu", "--max-steps", "1", "--global-batch", "24")[0].wantExit(0)
	if triesKernels(t, model, args...) {
		t.Error("an evaluation tries what train has tried")
	}
	t.Setenv("XDG_CACHE_HOME", "/dev/null") // no folder: choices cannot be kept
	p := trainRanks(t, 1, "--device", "cpu", "--max-steps", "1", "--global-batch", "24")[0]
	p.wantExit(0)
	p.waitFor("not_remembered")
}
