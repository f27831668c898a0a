//go:build gpu && cgo

package driver

// #include "cuda.h"
// #include "../stub/stub.h"
// static const char *lacking(void) { return ringloom_stub_missing ? ringloom_stub_missing() : NULL; }
import "C"

import (
	"errors"
	"reflect"

	"gorgonia.org/cu"
)

// check makes an Error of an error that cu returned from call.
func check(call string, err error) error {
	if err == nil {
		return nil
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		// cu does not export the type of its codes, only the codes.
		if v := reflect.ValueOf(e); v.Type() == reflect.TypeOf(cu.OutOfMemory) {
			return newError(call, C.CUresult(v.Int()))
		}
	}
	return err
}

// checkResult makes an Error of what call returned.
func checkResult(call string, result C.CUresult) error {
	if result == C.CUDA_SUCCESS {
		return nil
	}
	return newError(call, result)
}

func newError(call string, result C.CUresult) error {
	symbol := C.lacking() // before the calls below, which may be lacking too
	e := &Error{Call: call, Code: int(result), Name: "CUDA error", Text: "the driver does not explain it"}
	var text *C.char
	if C.cuGetErrorName(result, &text) == C.CUDA_SUCCESS && text != nil {
		e.Name = C.GoString(text)
	}
	text = nil
	if C.cuGetErrorString(result, &text) == C.CUDA_SUCCESS && text != nil {
		e.Text = C.GoString(text)
	}
	if symbol != nil && result == C.CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND {
		e.Text = "the driver library has no " + C.GoString(symbol) + ": a newer driver is needed"
	}
	return e
}
