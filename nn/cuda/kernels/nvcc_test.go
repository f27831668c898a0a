package kernels

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every kernel compiles for the GPUs that the device supports, without spilling registers, and a block of the size that
// this package launches fits a multiprocessor. RINGLOOM_NVCC names an nvcc.
func TestCompilesForGPUs(t *testing.T) {
	nvcc := os.Getenv("RINGLOOM_NVCC")
	if nvcc == "" {
		t.Skip("SKIPPED: RINGLOOM_NVCC does not name an nvcc, which compiles the kernels for GPUs")
	}
	folder := t.TempDir()
	source := filepath.Join(folder, "kernels.cu")
	if err := os.WriteFile(source, []byte(Source()), 0o666); err != nil {
		t.Fatal(err)
	}
	threads := func(kernel string) int {
		switch {
		case strings.HasSuffix(kernel, "_finish"):
			return finishThreads
		case strings.HasPrefix(kernel, "softmax_loss"):
			return lossThreads
		}
		return blockThreads
	}
	const registers = 65536 // of a multiprocessor
	report := regexp.MustCompile(`Compiling entry function '(\w+)'[^\n]*\n[^\n]*\n[^\n]*?(\d+) bytes spill stores[^\n]*\n[^\n]*Used (\d+) registers`)
	for _, arch := range []string{"sm_80", "sm_90"} {
		// Its host compiler only preprocesses here, so that any version will do.
		c := exec.Command(nvcc, "-std=c++17", "-allow-unsupported-compiler", "-arch="+arch, "-cubin", "-Xptxas=-v", "-o", filepath.Join(folder, arch), source)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("nvcc for %s: %v\n%s", arch, err, out)
		}
		found := report.FindAllStringSubmatch(string(out), -1)
		if len(found) != len(Names()) {
			t.Fatalf("nvcc for %s reports %d kernels, want %d:\n%s", arch, len(found), len(Names()), out)
		}
		for _, match := range found {
			kernel := match[1]
			spilled, _ := strconv.Atoi(match[2])
			used, _ := strconv.Atoi(match[3])
			if spilled != 0 || used*threads(kernel) > registers {
				t.Errorf("%s for %s: %d registers a thread, %d bytes spilled", kernel, arch, used, spilled)
			}
		}
	}
}
