//go:build onednn && cgo

package onednn

// #include "kernel.h"
// #include <oneapi/dnnl/dnnl.h>
import "C"

import "fmt"

// Status is what the C side returned: a dnnl_status_t, or a code of this package's own.
type Status int

// Error says what the status means.
func (s Status) Error() string {
	switch s {
	case C.RL_NO_MEMORY, C.dnnl_out_of_memory:
		return "out of memory"
	case C.RL_BAD_LABEL:
		return "a label is not a class number"
	case C.RL_TEAM:
		return "OpenMP gives this thread another number of threads than the device has: look for OMP_ and GOMP_ variables in the environment"
	case C.dnnl_invalid_arguments:
		return "oneDNN: invalid arguments"
	case C.dnnl_unimplemented:
		return "oneDNN has no implementation"
	case C.dnnl_runtime_error:
		return "oneDNN: runtime error"
	case C.dnnl_not_required:
		return "oneDNN: not required"
	case C.dnnl_iterator_ends:
		return "oneDNN has no further implementation"
	}
	return fmt.Sprintf("oneDNN status %d", int(s))
}

// failure is nil for success and a Status otherwise.
func failure(status C.int) error {
	if status == C.RL_OK {
		return nil
	}
	return Status(status)
}
