//go:build gpu && cgo

package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"ringloom/internal/cudaemu"
	"ringloom/nn/cuda"
)

// The emulator is built in the user's own cache, before TestMain takes another.
func init() {
	if err := cudaemu.SetUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func needGPU(t *testing.T) {
	t.Helper()
	needData(t)
	if err := cuda.Available(); err != nil {
		t.Skipf("SKIPPED, training on a GPU was NOT tested: %v", err)
	}
}

// trained is what ranks on a device end with: the mean loss of some steps, and the parameters.
func trained(t *testing.T, ranks int, args ...string) (loss float64, hash string) {
	t.Helper()
	args = append([]string{"--model", "lenet", "--max-steps", "12", "--global-batch", "64"}, args...)
	for i, p := range trainRanks(t, ranks, args...) {
		got := p.waitFor(sawHash)[1]
		if i > 0 && got != hash {
			t.Errorf("rank %d ends with parameters %s, another with %s", i, got, hash)
		}
		hash = got
		p.wantExit(0)
		if i == 0 {
			var err error
			if loss, err = strconv.ParseFloat(p.waitFor(`epoch 1, loss ([0-9.]+)`)[1], 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return loss, hash
}

func TestGPUTrainsAsTheReferenceDoes(t *testing.T) {
	needGPU(t)
	want, _ := trained(t, 1, "--device", "purego")
	for _, c := range []struct {
		precision string
		tolerance float64
	}{{"float32", 2e-4}, {"bf16", 2e-2}} {
		got, _ := trained(t, 1, "--device", "cuda:0", "--precision", c.precision)
		if math.Abs(got-want) > c.tolerance {
			t.Errorf("%s: loss %v, the reference has %v", c.precision, got, want)
		}
	}
}

// TestRanksShareAGPU lets two ranks train on one card: they must end with the same parameters, and those of two ranks
// that do not share anything.
func TestRanksShareAGPU(t *testing.T) {
	needGPU(t)
	want, _ := trained(t, 2, "--device", "purego")
	got, _ := trained(t, 2, "--device", "cuda:0", "--precision", "float32")
	if math.Abs(got-want) > 2e-4 {
		t.Errorf("loss %v, the reference has %v", got, want)
	}
}

// TestGPUChoicesOutliveTheProcess: of two runs the first tries how to compute, also what comes up within it, such as another batch of
// an evaluation.
func TestGPUChoicesOutliveTheProcess(t *testing.T) {
	needGPU(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var hashes [2]string
	for i := range hashes {
		p := trainRanks(t, 1, "--model", "lenet", "--max-steps", "2", "--global-batch", "24", "--device", "cuda:0")[0]
		hashes[i] = p.waitFor(sawHash)[1]
		p.wantExit(0)
		if output, _ := p.text(); strings.Contains(output, "tried how to compute") != (i == 0) {
			t.Errorf("run %d says\n%s", i+1, output)
		}
	}
	if hashes[0] != hashes[1] {
		t.Errorf("the runs end with parameters %s and %s", hashes[0], hashes[1])
	}
}

// TestGPUEvaluatesWithRememberedChoices: an evaluation takes over what train has chosen, and keeps what it chooses itself, for a last batch
// of fewer images too.
func TestGPUEvaluatesWithRememberedChoices(t *testing.T) {
	needGPU(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	model := writeModel(t, "lenet")
	trainRanks(t, 1, "--model", "lenet", "--max-steps", "2", "--global-batch", "24", "--device", "cuda:0")[0].wantExit(0)
	for _, c := range []struct {
		batch, images string
		tries         bool
	}{{"250", "250", false}, {"30", "44", true}, {"30", "44", false}, {"14", "14", false}} { // train evaluates batches of 250
		if triesKernels(t, model, "--device", "cuda:0", "--batch", c.batch, "--images", c.images) != c.tries {
			t.Errorf("of %s images in batches of %s: ways tried: %v, want %v", c.images, c.batch, !c.tries, c.tries)
		}
	}
}

func TestAMissingDriverIsNamed(t *testing.T) {
	t.Setenv("RINGLOOM_LIBCUDA", "/nowhere/libcuda.so.1")
	p := start(t, t.TempDir(), "bench", "step", "--model", "lenet", "--device", "cuda")
	p.wantExit(2, "--device cuda", "/nowhere/libcuda.so.1", "RINGLOOM_LIBCUDA")
	if _, output, _ := ringloom(t, "devices"); !strings.Contains(output, "purego  yes") || !strings.Contains(output, "/nowhere/libcuda.so.1") {
		t.Errorf("devices says\n%s", output)
	}
	needData(t)
	trained(t, 1, "--device", "purego", "--max-steps", "1")
}
