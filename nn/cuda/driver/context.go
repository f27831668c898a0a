//go:build gpu && cgo

package driver

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"
)

// Context is the primary context of one device: the one that cuDNN and cuBLAS use too.
type Context struct {
	device  cu.Device
	context cu.CUContext
	info    Info
	closed  bool
}

// Open makes the primary context of a device, and makes it current on the calling thread, which the caller has locked.
func Open(ordinal int) (*Context, error) {
	if err := Load(); err != nil {
		return nil, err
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, check("cuDeviceGetCount", err)
	}
	if ordinal < 0 || ordinal >= count {
		return nil, fmt.Errorf("no GPU %d: the driver shows %d, numbered from 0 (nvidia-smi lists them, CUDA_VISIBLE_DEVICES may hide some)",
			ordinal, count)
	}
	c := &Context{}
	if c.device, c.info, err = describe(ordinal); err != nil {
		return nil, err
	}
	if c.context, err = c.device.RetainPrimaryCtx(); err != nil {
		return nil, check("cuDevicePrimaryCtxRetain", err)
	}
	if err := c.MakeCurrent(); err != nil {
		return nil, errors.Join(err, check("cuDevicePrimaryCtxRelease", c.device.ReleasePrimaryCtx()))
	}
	return c, nil
}

// MakeCurrent makes the context current on the calling thread.
func (c *Context) MakeCurrent() error {
	return check("cuCtxSetCurrent", cu.SetCurrentContext(c.context))
}

// Info describes the device.
func (c *Context) Info() Info { return c.info }

// Close gives the context back and leaves none current on the calling thread. What was made in it, and not destroyed,
// goes with it. A second call does nothing.
func (c *Context) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	err := check("cuCtxSetCurrent", cu.SetCurrentContext(cu.CUContext{}))
	return errors.Join(err, check("cuDevicePrimaryCtxRelease", c.device.ReleasePrimaryCtx()))
}
