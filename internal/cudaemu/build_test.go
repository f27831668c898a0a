package cudaemu

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// deaths are parts of the messages with which tests must abort, whatever the order of threads.
var deaths = map[string]string{
	"dies_returned_before_barrier":        "at the __syncthreads of line 2",
	"dies_two_barriers":                   "of line 2",
	"dies_divergent_shuffle":              "waits at the warp operation of line 1, which not all lanes of its warp reach",
	"dies_misaligned":                     "kernel k: test.cu:2: access through a null or misaligned pointer",
	"dies_outside_shared_array":           "kernel k: test.cu:2: index outside of an array",
	"dies_convolution_onto_itself":        "y, which is written, overlaps x",
	"dies_backend_workspace_too_small":    "cuDNN's engine 14: the workspace (",
	"dies_fusion_bias_too_short":          "cuDNN's engine 14: the bias (16 bytes at",
	"dies_fusion_sums_too_short":          "cuDNN's engine 14: the sums (",
	"dies_gemm_outside":                   "b (64 bytes at",
	"dies_page_locked_memory_freed_early": "page-locked memory is freed while",
	"dies_write_past_the_end":             "past the end of an allocation of 124 bytes (found after kernel overrun",
}

// TestLibrary builds the emulator and the C++ program under test, and runs each of its tests in a process of its own: with
// work as late as possible, and in three random orders.
func TestLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("the emulator's own tests take too long for -short")
	}
	lib, err := Build("")
	if errors.Is(err, ErrNoCompiler) {
		t.Skipf("SKIPPED, the emulator was NOT tested: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "test")
	units, err := filepath.Glob("test/*.cpp")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-std=c++17", "-Wall", "-Wextra", "-O1", "-o", program}, units...)
	if err := run(".", "g++", append(args, lib, "-Wl,-rpath,"+filepath.Dir(lib))...); err != nil {
		t.Fatal(err)
	}
	names, err := exec.Command(program, "names").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(names)) {
		for _, seed := range []string{"0", "1", "2", "3"} {
			t.Run(name+"/seed"+seed, func(t *testing.T) { runOne(t, program, lib, name, seed) })
		}
	}
}

func runOne(t *testing.T, program, lib, name, seed string) {
	var output bytes.Buffer
	command := exec.Command(program, name)
	command.Env = append(append(os.Environ(), Env(lib)...), "RINGLOOM_EMULATOR_SEED="+seed, "RINGLOOM_EMULATOR_DEVICES=2")
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	death, dies := deaths[name]
	if dies != strings.HasPrefix(name, "dies_") {
		t.Fatalf("%s isn't among the tests that must abort", name)
	}
	if !dies && err != nil {
		t.Fatalf("%v\n%s", err, output.Bytes())
	}
	if dies && (err == nil || !strings.Contains(output.String(), death)) {
		t.Fatalf("ended with %v instead of a message with %q:\n%s", err, death, output.Bytes())
	}
}

func TestBuildIsCached(t *testing.T) {
	first, err := Build("")
	if errors.Is(err, ErrNoCompiler) {
		t.Skipf("SKIPPED, the emulator was NOT tested: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Build("")
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(second)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !before.ModTime().Equal(after.ModTime()) {
		t.Fatalf("built %s of %v again as %s of %v", first, before.ModTime(), second, after.ModTime())
	}
}
