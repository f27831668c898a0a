//go:build gpu && cgo

package gputest

/*
#cgo CFLAGS: -O1 -Wall
#cgo LDFLAGS: -ldl
#include "gputest.h"
#include <stdlib.h>
*/
import "C"

import (
	"math"
	"os"
	"runtime"
	"testing"
	"unsafe"
)

// Env is the variable that names the driver's file.
const Env = "RINGLOOM_LIBCUDA"

// Device is device 0 with one stream; its context is current on the test's thread.
type Device struct {
	t      testing.TB
	stream unsafe.Pointer
}

// Open locks the test's goroutine to its thread and makes the context current there. Without a driver or a device the test is
// skipped, with the reason, unless Env asks for a driver: then it fails.
func Open(t testing.TB) *Device {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	stop, file := t.Skipf, "libcuda.so.1"
	if named := os.Getenv(Env); named != "" {
		stop, file = t.Fatalf, named
	}
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	d := &Device{t: t}
	var status C.int
	if call := C.rl_test_open(name, &d.stream, &status); call != nil {
		stop("no GPU, nor an emulator in %s: %s of %s returned %d", Env, C.GoString(call), file, status)
	}
	t.Cleanup(func() { d.check(C.rl_test_close(d.stream, &status), status) })
	return d
}

func (d *Device) check(call *C.char, status C.int) {
	if call != nil {
		d.t.Helper()
		d.t.Fatalf("%s returned %d", C.GoString(call), status)
	}
}

// Stream is a CUstream.
func (d *Device) Stream() unsafe.Pointer { return d.stream }

// Sync waits for the stream.
func (d *Device) Sync() {
	d.t.Helper()
	var status C.int
	d.check(C.rl_test_sync(d.stream, &status), status)
}

// Alloc returns device memory, freed at the end of the test. Zero bytes are address 0.
func (d *Device) Alloc(bytes int) uintptr {
	d.t.Helper()
	if bytes == 0 {
		return 0
	}
	var address C.uint64_t
	var status C.int
	d.check(C.rl_test_alloc(C.size_t(bytes), &address, &status), status)
	d.t.Cleanup(func() {
		d.Sync()
		d.check(C.rl_test_free(address, &status), status)
	})
	return uintptr(address)
}

// Put copies values into new device memory, as float32 or as bfloat16 (which must hold them exactly).
func (d *Device) Put(values []float32, bf16 bool) uintptr {
	d.t.Helper()
	data, size := unsafe.Pointer(unsafe.SliceData(values)), 4*len(values)
	if bf16 {
		short := make([]uint16, len(values))
		for i, v := range values {
			bits := math.Float32bits(v)
			if bits&0xffff != 0 {
				d.t.Fatalf("%v is no bfloat16", v)
			}
			short[i] = uint16(bits >> 16)
		}
		data, size = unsafe.Pointer(unsafe.SliceData(short)), 2*len(short)
	}
	p := d.Alloc(size)
	var status C.int
	d.check(C.rl_test_write(C.uint64_t(p), data, C.size_t(size), &status), status)
	return p
}

// Get waits for the stream and reads n values of float32 or bfloat16.
func (d *Device) Get(p uintptr, n int, bf16 bool) []float32 {
	d.t.Helper()
	d.Sync()
	values := make([]float32, n)
	short := make([]uint16, n)
	data, size := unsafe.Pointer(unsafe.SliceData(values)), 4*n
	if bf16 {
		data, size = unsafe.Pointer(unsafe.SliceData(short)), 2*n
	}
	var status C.int
	d.check(C.rl_test_read(data, C.uint64_t(p), C.size_t(size), &status), status)
	if bf16 {
		for i, s := range short {
			values[i] = math.Float32frombits(uint32(s) << 16)
		}
	}
	return values
}
