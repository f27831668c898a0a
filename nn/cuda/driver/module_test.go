//go:build gpu && cgo

package driver

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

var (
	//go:embed testdata/nvrtc.c
	nvrtcSource string
	//go:embed testdata/test.cu
	kernelSource []byte
)

// loadKernels compiles testdata/test.cu with the NVRTC that RINGLOOM_LIBNVRTC names.
func loadKernels(t *testing.T, c *Context) *Module {
	t.Helper()
	nvrtc := os.Getenv("RINGLOOM_LIBNVRTC")
	if nvrtc == "" {
		t.Skip("SKIPPED, launches were NOT tested: RINGLOOM_LIBNVRTC names no NVRTC to compile a kernel with")
	}
	if os.Getenv("RINGLOOM_EMULATOR_CACHE") == "" {
		t.Setenv("RINGLOOM_EMULATOR_CACHE", t.TempDir()) // the emulator's code names files, which go with the process otherwise
	}
	info := c.Info()
	compile := exec.Command(compileC(t, nvrtcSource, "-ldl"), nvrtc, fmt.Sprintf("sm_%d%d", info.Major, info.Minor))
	compile.Stdin = bytes.NewReader(kernelSource)
	var code, words bytes.Buffer
	compile.Stdout, compile.Stderr = &code, &words
	if err := compile.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &words)
	}
	m, err := c.LoadModule(code.Bytes())
	must(t, err)
	t.Cleanup(func() { must(t, m.Unload()) })
	return m
}

// line is the struct of testdata/test.cu: longer than a register.
type line struct {
	scale, offset int32
	n             int64
}

func TestLaunch(t *testing.T) {
	c := open(t)
	s := mustStream(t, c)
	m := loadKernels(t, c)
	f, err := m.Function("fill_line")
	must(t, err)
	const n = 10_000
	dst := mustAlloc(t, c, 4*n)
	out := mustHost(t, c, 4*n)
	l := line{3, -5, n}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&dst)
	pinner.Pin(&l)
	args := []unsafe.Pointer{unsafe.Pointer(&dst), unsafe.Pointer(&l)}

	must(t, s.Launch(f, [3]uint32{7, 1, 1}, [3]uint32{128, 1, 1}, 0, args))
	l.scale = 1000 // the arguments were copied
	must(t, s.CopyToHost(unsafe.Pointer(&out[0]), dst, 4*n))
	must(t, s.Synchronize())
	for i := range n {
		if got := int32(binary.NativeEndian.Uint32(out[4*i:])); got != 3*int32(i)-5 {
			t.Fatalf("element %d is %d", i, got)
		}
	}

	wantCode(t, s.Launch(f, [3]uint32{1, 1, 1}, [3]uint32{4096, 1, 1}, 0, args), "cuLaunchKernel", 1) // CUDA_ERROR_INVALID_VALUE
	_, err = m.Function("absent")
	wantCode(t, err, "cuModuleGetFunction", 500) // CUDA_ERROR_NOT_FOUND
	if !strings.Contains(err.Error(), "absent") {
		t.Errorf("the error does not name the function: %v", err)
	}
}

func TestBadModule(t *testing.T) {
	c := open(t)
	_, err := c.LoadModule([]byte(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry broken() { nonsense; }\n"))
	wantCode(t, err, "cuModuleLoadDataEx", 218) // CUDA_ERROR_INVALID_PTX
	var e *Error
	if errors.As(err, &e) && !strings.Contains(e.Text, ": ") {
		t.Errorf("the compiler's log is missing: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
}
