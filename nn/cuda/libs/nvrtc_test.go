//go:build gpu && cgo

package libs

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func needRTC(t *testing.T) {
	if err := nvrtc.load(); err != nil {
		t.Skip(err)
	}
	t.Logf("%+v", nvrtc.loaded)
}

func TestCompile(t *testing.T) {
	needRTC(t)
	const source = `extern "C" __global__ void twice(float* y, const float* x, int n) {
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = SCALE * expf(x[i]);
}`
	ptx, log, err := CompileRTC(source, "twice.cu", []string{"--gpu-architecture=compute_90", "-std=c++17", "-DSCALE=2"})
	if err != nil {
		t.Fatal(err, log)
	}
	if len(ptx) == 0 || ptx[len(ptx)-1] != 0 || bytes.IndexByte(ptx, 0) != len(ptx)-1 {
		t.Errorf("%d bytes of PTX, not ended by their only zero", len(ptx))
	}
	if !bytes.Contains(ptx, []byte(".target sm_90")) {
		t.Errorf("not for the architecture that was asked for:\n%s", ptx)
	}
	// The emulator's text only names the object that it compiled.
	if !bytes.Contains(ptx, []byte(".entry twice")) && !bytes.Contains(ptx, []byte("emulated")) {
		t.Errorf("the kernel is not there:\n%s", ptx)
	}
}

func TestCompileToMachineCode(t *testing.T) {
	needRTC(t)
	code, log, err := CompileRTC(`extern "C" __global__ void one(float* y) { *y = 1; }`, "one.cu", []string{"--gpu-architecture=sm_90"})
	if err != nil {
		t.Fatal(err, log)
	}
	// The emulator's stands for both.
	if !bytes.HasPrefix(code, []byte("\x7fELF")) && !bytes.Contains(code, []byte("emulated")) {
		t.Errorf("no machine code: %q", code[:min(64, len(code))])
	}
}

func TestRTCArchs(t *testing.T) {
	needRTC(t)
	archs, err := RTCArchs()
	if err != nil || !slices.IsSorted(archs) || !slices.Contains(archs, 90) {
		t.Errorf("%v, error %v: ascending, with 90, is what there should be", archs, err)
	}
}

func TestCompileErrors(t *testing.T) {
	needRTC(t)
	_, log, err := CompileRTC(`extern "C" __global__ void bad() { undeclared = 1; }`, "bad.cu", nil)
	var e *Error
	if !errors.As(err, &e) || e.Library != "NVRTC" || e.Call != "nvrtcCompileProgram" || e.Code != 6 {
		t.Fatalf("%#v", err)
	}
	if !strings.Contains(log, "undeclared") || !strings.Contains(err.Error(), "undeclared") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, log %q", err, log)
	}
	if _, _, err := CompileRTC("", "empty.cu", []string{"--no-such-option"}); !errors.As(err, &e) || e.Code == 0 {
		t.Errorf("an unknown option: %v", err)
	}
}

func TestRTCVersion(t *testing.T) {
	needRTC(t)
	if major, minor, err := RTCVersion(); err != nil || major < 11 || minor < 0 {
		t.Errorf("%d.%d, %v", major, minor, err)
	}
}
