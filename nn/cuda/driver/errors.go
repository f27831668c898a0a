package driver

import (
	"errors"
	"fmt"
)

// ErrOutOfMemory is what an Error is, to errors.Is, when the GPU's memory or page-locked memory ran out.
var ErrOutOfMemory = errors.New("out of GPU memory")

// codeOutOfMemory is CUDA_ERROR_OUT_OF_MEMORY.
const codeOutOfMemory = 2

// Error is a call of the driver that failed.
type Error struct {
	Call string // the function, such as cuMemAlloc
	Code int    // CUresult
	Name string // the code's name, such as CUDA_ERROR_OUT_OF_MEMORY
	Text string // the driver's explanation, and for a module its log, on one line
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (%d): %s", e.Call, e.Name, e.Code, e.Text)
}

// Is reports whether target is ErrOutOfMemory and memory ran out.
func (e *Error) Is(target error) bool { return target == ErrOutOfMemory && e.Code == codeOutOfMemory }
