//go:build gpu && cgo

package driver

/*
#include "cuda.h"

// load_module fills log with the errors of the driver's compiler, if any, as a string.
static CUresult load_module(CUmodule *module, const void *image, char *log, size_t bytes) {
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)(uintptr_t)bytes};
	return cuModuleLoadDataEx(module, image, 2, options, values);
}
*/
import "C"

import (
	"errors"
	"strings"
	"unsafe"

	"gorgonia.org/cu"
)

// logBytes is as much as is kept of what the driver's compiler says.
const logBytes = 16 << 10

// Module is a set of compiled kernels.
type Module struct{ module cu.Module }

// Function is a kernel of a module.
type Function struct{ function cu.Function }

// c is the CUfunction in this package's C type. cu keeps it in its only field, which it does not export.
func (f Function) c() C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&f.function)) }

// LoadModule loads PTX, which the driver compiles for the device, or a cubin. The error of PTX that does not compile
// has the compiler's log.
func (c *Context) LoadModule(image []byte) (*Module, error) {
	ended := C.CBytes(append(image[:len(image):len(image)], 0)) // PTX ends with a zero byte
	defer C.free(ended)
	log := (*C.char)(C.calloc(logBytes, 1))
	defer C.free(unsafe.Pointer(log))
	m := &Module{}
	result := C.load_module((*C.CUmodule)(unsafe.Pointer(&m.module)), ended, log, logBytes-1)
	if err := checkResult("cuModuleLoadDataEx", result); err != nil {
		var e *Error
		if words := strings.Join(strings.Fields(C.GoString(log)), " "); words != "" && errors.As(err, &e) {
			e.Text += ": " + words
		}
		return nil, err
	}
	return m, nil
}

// Function looks a kernel up by its name as compiled (extern "C").
func (m *Module) Function(name string) (Function, error) {
	f, err := m.module.Function(name)
	if err != nil {
		err = check("cuModuleGetFunction", err)
		var e *Error
		if errors.As(err, &e) {
			e.Text += ": " + name
		}
		return Function{}, err
	}
	return Function{f}, nil
}

// Unload gives the module and its functions back.
func (m *Module) Unload() error { return check("cuModuleUnload", m.module.Unload()) }
