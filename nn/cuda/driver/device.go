//go:build gpu && cgo

package driver

import (
	"fmt"
	"runtime"

	"gorgonia.org/cu"
)

// Devices describes the GPUs that the driver shows to this process, by ordinal.
func Devices() ([]Info, error) {
	if err := Load(); err != nil {
		return nil, err
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, check("cuDeviceGetCount", err)
	}
	infos := make([]Info, count)
	for i := range infos {
		if _, infos[i], err = describe(i); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

func describe(ordinal int) (cu.Device, Info, error) {
	device, err := cu.GetDevice(ordinal)
	if err != nil {
		return 0, Info{}, check("cuDeviceGet", err)
	}
	info := Info{Ordinal: ordinal, DriverVersion: cu.Version()}
	if info.DriverVersion < 0 {
		return 0, Info{}, fmt.Errorf("cuDriverGetVersion: the driver does not tell its version")
	}
	if info.Name, err = device.Name(); err != nil {
		return 0, Info{}, check("cuDeviceGetName", err)
	}
	if info.UUID, err = readUUID(device); err != nil {
		return 0, Info{}, err
	}
	if info.MemoryBytes, err = device.TotalMem(); err != nil {
		return 0, Info{}, check("cuDeviceTotalMem", err)
	}
	for _, a := range []struct {
		attribute cu.DeviceAttribute
		value     *int
	}{
		{cu.ComputeCapabilityMajor, &info.Major},
		{cu.ComputeCapabilityMinor, &info.Minor},
		{cu.MultiprocessorCount, &info.Multiprocessors},
	} {
		if *a.value, err = device.Attribute(a.attribute); err != nil {
			return 0, Info{}, check("cuDeviceGetAttribute", err)
		}
	}
	return device, info, nil
}

// FreeMemory is the bytes of a GPU that no process has. It makes the GPU's context for the question, which takes a
// moment and some of that memory, and leaves the calling thread without a current context.
func FreeMemory(ordinal int) (int64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := Open(ordinal)
	if err != nil {
		return 0, err
	}
	free, _, err := c.MemInfo()
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return free, err
}
