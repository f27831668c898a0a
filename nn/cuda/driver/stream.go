//go:build gpu && cgo

package driver

/*
#cgo noescape cuLaunchKernel
#cgo nocallback cuLaunchKernel
#include "cuda.h"
*/
import "C"

import (
	"unsafe"

	"gorgonia.org/cu"
)

// Stream is a queue of work that the device does in order. It does not wait for the device's default stream, nor that
// for it.
type Stream struct{ stream cu.Stream }

// NewStream makes a stream.
func (c *Context) NewStream() (*Stream, error) {
	s, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return nil, check("cuStreamCreate", err)
	}
	return &Stream{s}, nil
}

// Handle is the CUstream, for other libraries.
func (s *Stream) Handle() unsafe.Pointer { return unsafe.Pointer(s.stream.C()) }

// c is Handle in this package's C type: cgo gives each package its own.
func (s *Stream) c() C.CUstream { return C.CUstream(s.Handle()) }

// Destroy gives the stream back. Work that it still has is done.
func (s *Stream) Destroy() error { return check("cuStreamDestroy", s.stream.Destroy()) }

// Synchronize blocks until all work is done. The driver may spin; Event.Synchronize does not.
func (s *Stream) Synchronize() error { return check("cuStreamSynchronize", s.stream.Synchronize()) }

// Query reports whether all work is done.
func (s *Stream) Query() (done bool, err error) { return ready("cuStreamQuery", s.stream.Query()) }

// ready makes an answer of a query's error.
func ready(call string, err error) (bool, error) {
	if err == cu.NotReady {
		return false, nil
	}
	return err == nil, check(call, err)
}

// CopyToDevice copies from memory of the host, which must be page-locked (AllocHost) and stay as it is until the copy
// is done.
func (s *Stream) CopyToDevice(dst uintptr, src unsafe.Pointer, bytes int64) error {
	return check("cuMemcpyHtoDAsync", cu.MemcpyHtoDAsync(cu.DevicePtr(dst), src, bytes, s.stream))
}

// CopyToHost copies to memory of the host, which must be page-locked (AllocHost).
func (s *Stream) CopyToHost(dst unsafe.Pointer, src uintptr, bytes int64) error {
	return check("cuMemcpyDtoHAsync", cu.MemcpyDtoHAsync(dst, cu.DevicePtr(src), bytes, s.stream))
}

// Fill sets every byte of device memory to value.
func (s *Stream) Fill(dst uintptr, value byte, bytes int64) error {
	return check("cuMemsetD8Async", cu.MemsetD8Async(cu.DevicePtr(dst), value, bytes, s.stream))
}

// Record lets e stand for the work that the stream has been given so far.
func (s *Stream) Record(e *Event) error { return check("cuEventRecord", e.event.Record(s.stream)) }

// Wait holds back the work that follows until that which e stands for is done. An event that was never recorded stands
// for none.
func (s *Stream) Wait(e *Event) error { return check("cuStreamWaitEvent", s.stream.Wait(e.event, 0)) }

// Launch runs a kernel with grid blocks of block threads, sharedBytes of dynamic shared memory, and the arguments that
// args point to, which are copied before Launch returns. The arguments lie in C memory or are pinned (runtime.Pinner).
func (s *Stream) Launch(f Function, grid, block [3]uint32, sharedBytes uint32, args []unsafe.Pointer) error {
	return checkResult("cuLaunchKernel", C.cuLaunchKernel(f.c(),
		C.uint(grid[0]), C.uint(grid[1]), C.uint(grid[2]), C.uint(block[0]), C.uint(block[1]), C.uint(block[2]),
		C.uint(sharedBytes), s.c(), unsafe.SliceData(args), nil))
}
