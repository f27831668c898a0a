//go:build gpu && cgo

package driver

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ringloom/internal/cudaemu"
)

// childVariable makes the test binary print what Load and Devices say, and the UUID of each device, and end.
const childVariable = "RINGLOOM_TEST_DRIVER_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		err := Load()
		fmt.Println(err)
		if err == nil {
			infos, err := Devices()
			fmt.Println(err)
			for _, info := range infos {
				fmt.Println(info.UUID)
			}
		}
		os.Exit(0)
	}
	if err := cudaemu.SetUp(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runChild starts the test binary with these variables and no other of ours, and returns the lines that it prints.
func runChild(t *testing.T, variables ...string) []string {
	t.Helper()
	self, err := elf.Open(os.Args[0])
	must(t, err)
	defer self.Close()
	libraries, err := self.ImportedLibraries()
	must(t, err)
	if slices.Contains(libraries, "libcuda.so.1") {
		t.Skip("SKIPPED, other drivers were NOT tested: the test was linked with a toolkit's libcuda, which the loader insists on")
	}
	child := exec.Command(os.Args[0])
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RINGLOOM_") {
			child.Env = append(child.Env, v)
		}
	}
	child.Env = append(append(child.Env, childVariable+"=1"), variables...)
	output, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
}

// TestNoDriver starts a process on a machine whose driver is absent or broken: it must run, and say what is wrong.
func TestNoDriver(t *testing.T) {
	fake := func(source string) string { return compileC(t, source, "-shared", "-fPIC") }
	const errorWords = `
		int cuGetErrorName(int e, const char **text) { *text = "FAKE_NAME"; return 0; }
		int cuGetErrorString(int e, const char **text) { *text = "fake text"; return 0; }`
	folder := t.TempDir()
	noDevice := fake(errorWords + "int cuInit(unsigned flags) { return 100; }")
	must(t, os.Rename(noDevice, folder+"/libcuda.so.1"))

	for _, c := range []struct {
		name, variable, value string
		lines                 [][]string // words of each line
	}{
		{"missing file", "RINGLOOM_LIBCUDA", "/nowhere/libcuda.so.1",
			[][]string{{"NVIDIA's driver cannot be loaded", "/nowhere/libcuda.so.1: cannot open shared object file", "RINGLOOM_LIBCUDA"}}},
		{"not a driver", "RINGLOOM_LIBCUDA", fake("int nothing;"),
			[][]string{{"CUDA does not start", "the driver library has no cuInit", "nvidia-smi"}}},
		{"failing", "RINGLOOM_LIBCUDA", fake(errorWords + "int cuInit(unsigned flags) { return flags == 0 ? 999 : 0; }"),
			[][]string{{"CUDA does not start", "cuInit: FAKE_NAME (999): fake text"}}},
		{"no device, found in a folder", "RINGLOOM_CUDA_PATH", "/nowhere:" + folder,
			[][]string{{"no GPU", "cuInit: FAKE_NAME (100): fake text", "CUDA_VISIBLE_DEVICES"}}},
		{"old driver", "RINGLOOM_LIBCUDA", fake(errorWords + "int cuInit(unsigned flags) { return 0; }"),
			[][]string{{"<nil>"}, {"cuDeviceGetCount", "(302)", "the driver library has no cuDeviceGetCount"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := runChild(t, c.variable+"="+c.value)
			if len(lines) != len(c.lines) {
				t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(c.lines), strings.Join(lines, "\n"))
			}
			for i, words := range c.lines {
				for _, w := range words {
					if !strings.Contains(lines[i], w) {
						t.Errorf("line %d does not contain %q: %s", i+1, w, lines[i])
					}
				}
			}
		})
	}
}
