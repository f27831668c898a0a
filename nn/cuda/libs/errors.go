//go:build gpu && cgo

package libs

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
)

// The names of the libraries in errors.
const (
	cuBLAS = "cuBLAS"
	cuDNN  = "cuDNN"
	nVRTC  = "NVRTC"
)

var (
	// ErrNotSupported matches (errors.Is) the errors of a library that cannot do what was asked.
	ErrNotSupported = errors.New("not supported")
	// ErrOutOfMemory matches the errors of a library that could not get host or device memory.
	ErrOutOfMemory = errors.New("out of memory")
)

// Error is a call of a library that failed.
type Error struct {
	Library string // cuBLAS, cuDNN or NVRTC
	Call    string // the library's function
	Code    int    // the library's status
	Text    string // the library's words for it
}

// Error is one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s failed with status %d: %s", e.Library, e.Call, e.Code, e.Text)
}

// Is tells which of ErrNotSupported and ErrOutOfMemory the status stands for. cuDNN 8's statuses are below 1000;
// cuDNN 9 counts what is not supported from 3000 on, and has one each for host and device memory.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotSupported:
		switch e.Library {
		case cuBLAS:
			return e.Code == C.CUBLAS_STATUS_NOT_SUPPORTED
		case cuDNN:
			return e.Code == 9 || e.Code/1000 == 3
		}
	case ErrOutOfMemory:
		switch e.Library {
		case cuBLAS:
			return e.Code == C.CUBLAS_STATUS_ALLOC_FAILED
		case cuDNN:
			return e.Code == 2 || e.Code == 4003 || e.Code == 4004
		case nVRTC:
			return e.Code == C.NVRTC_ERROR_OUT_OF_MEMORY
		}
	}
	return false
}

// failure is nil for success, else an *Error in the library's words. It allocates only for a failure.
func failure(library string, r C.rl_result) error {
	if r.code == 0 {
		return nil
	}
	return newError(library, r)
}

func newError(library string, r C.rl_result) *Error {
	e := &Error{Library: library, Call: C.GoString(r.call), Code: int(r.code)}
	switch library {
	case cuBLAS:
		e.Text = C.GoString(C.rl_cublas_text(r.code))
	case nVRTC:
		e.Text = C.GoString(C.rl_nvrtc_text(r.code))
	case cuDNN:
		e.Text = C.GoString(C.rl_cudnn_text(r.code))
		var details [2048]C.char
		C.rl_cudnn_details(&details[0], C.size_t(len(details)))
		if text := oneLine(C.GoString(&details[0])); text != "" {
			e.Text += ": " + text
		}
	}
	return e
}

// oneLine joins the lines of a text with semicolons.
func oneLine(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
