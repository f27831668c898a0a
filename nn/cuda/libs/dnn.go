//go:build gpu && cgo

package libs

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// DNN is a cuDNN handle on one stream.
type DNN struct {
	handle C.cudnnHandle_t
}

// OpenDNN makes a handle for the current context; all its work goes to stream (a CUstream). It loads all three
// libraries, as cuDNN uses the other two.
func OpenDNN(stream unsafe.Pointer) (*DNN, error) {
	if err := Load(); err != nil {
		return nil, err
	}
	d := &DNN{}
	if err := failure(cuDNN, C.rl_dnn_open(C.uintptr_t(uintptr(stream)), &d.handle)); err != nil {
		return nil, err
	}
	return d, nil
}

// Version is cuDNN's own number: 8902 for 8.9.2, 90600 for 9.6.0.
func (d *DNN) Version() int { return dnnVersion() }

// Close destroys the handle, after the Convs that were made from it. It may wait for the device.
func (d *DNN) Close() error { return failure(cuDNN, C.rl_dnn_close(d.handle)) }

func dnnVersion() int { return int(C.rl_cudnn_version()) }

// dnnVersionText writes cuDNN's number as a version: the major number counted thousands before 9, ten thousands since.
func dnnVersionText(v int) string {
	major := 10000
	if v < 10000 {
		major = 1000
	}
	return fmt.Sprintf("%d.%d.%d", v/major, v%major/100, v%100)
}
