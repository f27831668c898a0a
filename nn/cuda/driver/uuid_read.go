//go:build gpu && cgo

package driver

// #include "cuda.h"
import "C"

import (
	"unsafe"

	"gorgonia.org/cu"
)

// readUUID asks both of the driver's calls: a MIG slice has the UUID that cuDeviceGetUuid_v2 gives, which drivers have
// from CUDA 11.4 on. Nothing else in the API tells slices from GPUs. By NVIDIA's documentation the calls can differ
// only for a slice, so what differs is one; but it does not promise that cuDeviceGetUuid gives the whole GPU's there,
// so a slice may be called a GPU.
func readUUID(device cu.Device) (string, error) {
	whole, err := device.UUID()
	if err != nil {
		return "", check("cuDeviceGetUuid", err)
	}
	own := whole
	switch result := C.cuDeviceGetUuid_v2((*C.CUuuid)(unsafe.Pointer(&own)), C.CUdevice(device)); {
	case result == C.CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND:
		own = whole
	case result != C.CUDA_SUCCESS:
		return "", checkResult("cuDeviceGetUuid_v2", result)
	}
	if own != whole {
		return prefixMIG + own.String(), nil
	}
	return prefixGPU + own.String(), nil
}
