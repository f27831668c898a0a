//go:build gpu && cgo

package driver

// #include "cuda.h"
import "C"

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// hostAlignment is what the vector instructions that fill page-locked memory like.
const hostAlignment = 64

// MemInfo is the device's memory in bytes: what no process has, and all.
func (c *Context) MemInfo() (free, total int64, err error) {
	free, total, err = cu.MemInfo()
	return free, total, check("cuMemGetInfo", err)
}

// Alloc returns the address of device memory, aligned to at least 256 bytes and not initialised.
func (c *Context) Alloc(bytes int64) (uintptr, error) {
	if bytes <= 0 {
		return 0, fmt.Errorf("allocating %d bytes of GPU memory: at least one is needed", bytes)
	}
	p, err := cu.MemAlloc(bytes)
	return uintptr(p), check("cuMemAlloc", err)
}

// Free gives back what Alloc returned, after work that uses it has ended.
func (c *Context) Free(p uintptr) error { return check("cuMemFree", cu.MemFree(cu.DevicePtr(p))) }

// AllocHost returns page-locked memory, zeroed, aligned to 64 bytes. It is not Go's: the garbage collector leaves it
// alone, and it must not be touched after FreeHost or Close.
func (c *Context) AllocHost(bytes int64) ([]byte, error) {
	if bytes <= 0 {
		return nil, fmt.Errorf("allocating %d bytes of page-locked memory: at least one is needed", bytes)
	}
	var p unsafe.Pointer
	if err := checkResult("cuMemHostAlloc", C.cuMemHostAlloc(&p, C.size_t(bytes), 0)); err != nil {
		return nil, err
	}
	memory := unsafe.Slice((*byte)(p), bytes)
	if uintptr(p)%hostAlignment != 0 {
		c.FreeHost(memory)
		return nil, fmt.Errorf("cuMemHostAlloc: %p is not aligned to %d bytes", p, hostAlignment)
	}
	clear(memory)
	return memory, nil
}

// LockHost keeps memory that is not Go's, from the beginning of a page on, where it is, so that copies from and to it
// run beside the CPU. UnlockHost ends that, before the memory is given back and after such copies have ended.
func (c *Context) LockHost(memory []byte) error {
	return checkResult("cuMemHostRegister", C.cuMemHostRegister(unsafe.Pointer(unsafe.SliceData(memory)), C.size_t(len(memory)), 0))
}

// UnlockHost is described at LockHost.
func (c *Context) UnlockHost(memory []byte) error {
	return checkResult("cuMemHostUnregister", C.cuMemHostUnregister(unsafe.Pointer(unsafe.SliceData(memory))))
}

// FreeHost gives back what AllocHost returned, after copies from and to it have ended.
func (c *Context) FreeHost(memory []byte) error {
	return check("cuMemFreeHost", cu.MemFreeHost(unsafe.Pointer(unsafe.SliceData(memory))))
}
