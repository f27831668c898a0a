//go:build onednn && cgo

package onednn

// #include "kernel.h"
// #include <oneapi/dnnl/dnnl.h>
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"ringloom/nn/op"
)

// capAMX tells oneDNN, before its first use in the process, to leave an AMX that would kill it. It reports whether it
// did.
var capAMX = sync.OnceValues(func() (capped bool, err error) {
	if runtime.GOARCH != "amd64" {
		return false, nil
	}
	var features, palettes [4]C.uint32_t
	C.rl_cpuid(7, 0, &features[0])
	C.rl_cpuid(0x1d, 0, &palettes[0])
	if !amxIsBroken(uint32(features[3]), uint32(palettes[0])) {
		return false, nil
	}
	if err := failure(C.rl_cap_amx()); err != nil {
		return false, fmt.Errorf("limit oneDNN to AVX-512, because AMX is advertised without its tile palettes: %w", err)
	}
	return true, nil
})

// Device is the CPU through oneDNN. See the package's comment for threads and memory.
type Device struct {
	c       C.rl_device
	asked   int // threads: OpenMP may give fewer
	capped  bool
	closed  bool
	kernels []*kernel
	buffers []*C.float
	direct  bool
	strict  bool
	choices map[string]algorithm // by tuneKey
}

// New opens the device. It fails where the library is not oneDNN 2.6 or later of the same major version.
func New(o Options) (op.Device, error) { return open(o) }

// Available returns nil where New would succeed.
func Available() error {
	d, err := open(Options{})
	if err != nil {
		return err
	}
	return d.Close()
}

func open(o Options) (*Device, error) {
	threads, err := o.threads()
	if err != nil {
		return nil, err
	}
	d := &Device{asked: threads, direct: o.Direct, strict: o.Strict, choices: map[string]algorithm{}}
	if d.capped, err = capAMX(); err != nil {
		return nil, err
	}
	v := C.dnnl_version()
	if v.major != C.DNNL_VERSION_MAJOR || v.minor < C.DNNL_VERSION_MINOR {
		return nil, fmt.Errorf("oneDNN %d.%d is installed, this binary was built for %d.%d",
			v.major, v.minor, C.DNNL_VERSION_MAJOR, C.DNNL_VERSION_MINOR)
	}
	if err := failure(C.rl_device_open(&d.c, C.int(threads))); err != nil {
		return nil, fmt.Errorf("open the oneDNN device: %w", err)
	}
	return d, nil
}

// Name is "cpu".
func (*Device) Name() string { return "cpu" }

// Precision is "strict" or "float32", as Options.Strict says.
func (d *Device) Precision() string {
	if d.strict {
		return "strict"
	}
	return "float32"
}

// Description names the library's version, the instruction set that it uses and the number of threads, and says that
// sums are strict.
func (d *Device) Description() string {
	v := C.dnnl_version()
	isa := isaName(int(d.c.isa))
	if d.capped {
		isa += " (AMX left unused: its tile palettes are hidden here)"
	}
	threads := "1 thread"
	if d.c.threads != 1 {
		threads = fmt.Sprintf("%d threads", d.c.threads)
	}
	if d.strict {
		threads += ", strict sums"
	}
	return fmt.Sprintf("oneDNN %d.%d.%d, %s, %s", v.major, v.minor, v.patch, isa, threads)
}

// Shortage says why the device has fewer threads than it was asked to have; empty where it has them all.
func (d *Device) Shortage() string {
	if int(d.c.threads) == d.asked {
		return ""
	}
	return fmt.Sprintf("OpenMP gives %d of %d threads: OMP_THREAD_LIMIT or another variable of it is set in the environment, or the system has no more",
		d.c.threads, d.asked)
}

// maxElements bounds one buffer, 4 TiB: what is above is a mistake, and its size in bytes could overflow.
const maxElements = 1 << 40

// Alloc returns n zeroed elements of C memory, aligned to 64 bytes (2 MiB from 2 MiB on). They live until Close.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if d.closed {
		return op.Buffer{}, ErrClosed
	}
	if n < 0 || n > maxElements {
		return op.Buffer{}, fmt.Errorf("oneDNN device: cannot allocate %d elements", n)
	}
	p := C.rl_alloc(C.int64_t(n))
	if p == nil {
		return op.Buffer{}, fmt.Errorf("oneDNN device: allocate %d elements: %w", n, Status(C.RL_NO_MEMORY))
	}
	d.buffers = append(d.buffers, p)
	return op.Buffer{Host: unsafe.Slice((*float32)(unsafe.Pointer(p)), n)}, nil
}

// Close frees kernels and buffers. A second call does nothing.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	for _, k := range d.kernels {
		C.rl_destroy(k.c)
		k.c = nil
	}
	for _, p := range d.buffers {
		C.rl_free(p)
	}
	d.kernels, d.buffers = nil, nil
	C.rl_device_close(&d.c)
	return nil
}
