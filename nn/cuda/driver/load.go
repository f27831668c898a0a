//go:build gpu && cgo

package driver

/*
#cgo LDFLAGS: -lcuda -ldl -lpthread
#include "../stub/stub.h"

// initialise does what cu's own cuInit at the start of the process left undone. Without the stub, the linker has left
// ringloom_stub_init NULL.
static CUresult initialise(void) { return ringloom_stub_init ? ringloom_stub_init() : cuInit(0); }

static const char *problem(void) { return ringloom_stub_problem ? ringloom_stub_problem() : NULL; }
*/
import "C"

import (
	"fmt"
	"sync"
)

// Load loads the driver and initialises CUDA, once a process. Its error is one line for people.
func Load() error { return load() }

var load = sync.OnceValue(func() error {
	result := C.initialise()
	if result == C.CUDA_SUCCESS {
		return nil
	}
	if problem := C.problem(); problem != nil {
		return fmt.Errorf("NVIDIA's driver cannot be loaded: %s (install it, or name its libcuda in RINGLOOM_LIBCUDA or the folder in RINGLOOM_CUDA_PATH)",
			C.GoString(problem))
	}
	err := newError("cuInit", result)
	if result == C.CUDA_ERROR_NO_DEVICE {
		return fmt.Errorf("no GPU: %w (nvidia-smi lists those that the driver sees, CUDA_VISIBLE_DEVICES may hide them)", err)
	}
	return fmt.Errorf("CUDA does not start: %w (nvidia-smi says whether the driver works)", err)
})
