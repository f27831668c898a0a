//go:build gpu && cgo

package kernels_test

import (
	"os"
	"strings"
	"testing"

	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// TestNVRTC compiles the kernels with NVIDIA's own compiler, which needs no GPU, for all GPUs that ringloom is for.
func TestNVRTC(t *testing.T) {
	const variable = "RINGLOOM_TEST_NVRTC"
	library := os.Getenv(variable)
	if library == "" {
		t.Skipf("SKIPPED, the kernels were NOT compiled by NVRTC: %s names none (the emulator's tests compile them by g++)", variable)
	}
	t.Setenv("RINGLOOM_LIBNVRTC", library)
	for _, architecture := range []string{"compute_80", "compute_86", "compute_90"} {
		options := []string{"--gpu-architecture=" + architecture, "-std=c++17"}
		ptx, log, err := libs.CompileRTC(kernels.Source(), "ringloom.cu", options)
		if err != nil {
			t.Fatalf("%s: %v\n%s", architecture, err, log)
		}
		if log = strings.TrimSpace(log); log != "" {
			t.Logf("%s: %s", architecture, log)
		}
		for _, name := range kernels.Names() {
			if !strings.Contains(string(ptx), ".entry "+name+"(") {
				t.Errorf("%s: the PTX has no kernel %s", architecture, name)
			}
		}
		if dir := os.Getenv("RINGLOOM_TEST_PTX"); dir != "" {
			if err := os.WriteFile(dir+"/"+architecture+".ptx", ptx[:len(ptx)-1], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
