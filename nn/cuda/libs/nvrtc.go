//go:build gpu && cgo

package libs

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"strings"
	"unsafe"
)

// CompileRTC compiles one CUDA C++ source: to machine code for a real architecture (--gpu-architecture=sm_90), to PTX,
// which ends with a zero byte, for a virtual one (--gpu-architecture=compute_90). name is what diagnostics call the
// source; options are NVRTC's. log holds the compiler's warnings and errors; it is also there when err is an *Error of
// nvrtcCompileProgram. No device or context is needed.
func CompileRTC(source, name string, options []string) (code []byte, log string, err error) {
	if err := nvrtc.load(); err != nil {
		return nil, "", err
	}
	text, title := C.CString(source), C.CString(name)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(title))
	// An array of C's, as NVRTC takes: one more than needed, so that it is never empty.
	words := unsafe.Slice((**C.char)(C.calloc(C.size_t(len(options)+1), C.size_t(unsafe.Sizeof(uintptr(0))))), len(options)+1)
	defer C.free(unsafe.Pointer(&words[0]))
	for i, o := range options {
		words[i] = C.CString(o)
		defer C.free(unsafe.Pointer(words[i]))
	}
	var result, notes *C.char
	var bytes C.size_t
	r := C.rl_compile(text, title, C.int(len(options)), &words[0], &result, &bytes, &notes)
	defer C.free(unsafe.Pointer(result))
	defer C.free(unsafe.Pointer(notes))
	if notes != nil {
		log = C.GoString(notes)
	}
	if r.code != 0 {
		e := newError(nVRTC, r)
		if line := firstError(log); line != "" {
			e.Text += ": " + line
		}
		return nil, log, e
	}
	return C.GoBytes(unsafe.Pointer(result), C.int(bytes)), log, nil
}

// firstError is the log's first line with the word error, or an empty string.
func firstError(log string) string {
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, "error") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// RTCPath is the file that NVRTC was loaded from; it is empty before.
func RTCPath() string { return nvrtc.loaded.Path }

// RTCVersion returns the version of CUDA that NVRTC belongs to.
func RTCVersion() (major, minor int, err error) {
	if err := nvrtc.load(); err != nil {
		return 0, 0, err
	}
	return rtcVersion()
}

func rtcVersion() (major, minor int, err error) {
	var a, b C.int
	err = failure(nVRTC, C.rl_nvrtc_version(&a, &b))
	return int(a), int(b), err
}

// RTCArchs are the architectures that NVRTC compiles for, ascending: 90 is compute capability 9.0.
func RTCArchs() ([]int, error) {
	if err := nvrtc.load(); err != nil {
		return nil, err
	}
	var found [256]C.int
	var count C.int
	if err := failure(nVRTC, C.rl_nvrtc_archs(&found[0], C.int(len(found)), &count)); err != nil {
		return nil, err
	}
	archs := make([]int, count)
	for i := range archs {
		archs[i] = int(found[i])
	}
	return archs, nil
}
