//go:build gpu && cgo

package libs

import (
	"math"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"ringloom/nn/cuda/driver"
)

// testDevice is GPU 0 with one stream; its context is current on the test's thread. All of it is given back at the end
// of the test, which leaves no context current: a test opens one.
type testDevice struct {
	t       testing.TB
	context *driver.Context
	stream  *driver.Stream
	host    []byte // page-locked, as copies want it; nil at first
}

// openDevice returns a device with all three libraries. It skips without a driver, unless the environment names one,
// and fails when there is one but a library is missing.
func openDevice(t testing.TB) *testDevice {
	t.Helper()
	if err := driver.Load(); err != nil {
		if os.Getenv("RINGLOOM_LIBCUDA") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, cuBLAS's and cuDNN's calls were NOT tested: %v", err)
	}
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	d := &testDevice{t: t}
	var err error
	d.context, err = driver.Open(0)
	d.must(err)
	t.Cleanup(func() { d.must(d.context.Close()) })
	d.stream, err = d.context.NewStream()
	d.must(err)
	t.Cleanup(func() { d.must(d.stream.Destroy()) })
	t.Cleanup(d.freeHost)
	d.must(Load())
	for _, l := range Loaded() {
		t.Logf("%s %s: %s", l.Name, l.Version, l.Path)
	}
	return d
}

func (d *testDevice) must(err error) {
	if err != nil {
		d.t.Helper()
		d.t.Fatal(err)
	}
}

// Stream is the CUstream.
func (d *testDevice) Stream() unsafe.Pointer { return d.stream.Handle() }

// Sync waits for the stream.
func (d *testDevice) Sync() {
	d.t.Helper()
	d.must(d.stream.Synchronize())
}

// Alloc returns device memory. Zero bytes are address 0.
func (d *testDevice) Alloc(bytes int) uintptr {
	d.t.Helper()
	if bytes == 0 {
		return 0
	}
	p, err := d.context.Alloc(int64(bytes))
	d.must(err)
	d.t.Cleanup(func() {
		d.Sync()
		d.must(d.context.Free(p))
	})
	return p
}

// staging is page-locked memory of so many bytes, the same each time.
func (d *testDevice) staging(bytes int) unsafe.Pointer {
	d.t.Helper()
	if len(d.host) < bytes {
		d.freeHost()
		var err error
		d.host, err = d.context.AllocHost(int64(max(bytes, 1<<16)))
		d.must(err)
	}
	return unsafe.Pointer(unsafe.SliceData(d.host))
}

func (d *testDevice) freeHost() {
	if d.host != nil {
		d.must(d.context.FreeHost(d.host))
		d.host = nil
	}
}

// Put copies values into new device memory, as float32 or as bfloat16 (which must hold them exactly).
func (d *testDevice) Put(values []float32, bf16 bool) uintptr {
	d.t.Helper()
	if len(values) == 0 {
		return 0
	}
	bytes := elementBytes(bf16) * len(values)
	host := d.staging(bytes)
	if bf16 {
		for i, v := range values {
			bits := math.Float32bits(v)
			if bits&0xffff != 0 {
				d.t.Fatalf("%v is no bfloat16", v)
			}
			unsafe.Slice((*uint16)(host), len(values))[i] = uint16(bits >> 16)
		}
	} else {
		copy(unsafe.Slice((*float32)(host), len(values)), values)
	}
	p := d.Alloc(bytes)
	d.must(d.stream.CopyToDevice(p, host, int64(bytes)))
	d.Sync()
	return p
}

// Get waits for the stream and reads n values of float32 or bfloat16.
func (d *testDevice) Get(p uintptr, n int, bf16 bool) []float32 {
	d.t.Helper()
	values := make([]float32, n)
	if n == 0 {
		return values
	}
	bytes := elementBytes(bf16) * n
	host := d.staging(bytes)
	d.must(d.stream.CopyToHost(host, p, int64(bytes)))
	d.Sync()
	if !bf16 {
		copy(values, unsafe.Slice((*float32)(host), n))
		return values
	}
	for i, s := range unsafe.Slice((*uint16)(host), n) {
		values[i] = math.Float32frombits(uint32(s) << 16)
	}
	return values
}

func elementBytes(bf16 bool) int {
	if bf16 {
		return 2
	}
	return 4
}
