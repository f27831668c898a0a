//go:build gpu && cgo

package cuda

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"ringloom/internal/cudaemu"
	"ringloom/models/modelstest"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/nntest"
	"ringloom/nn/op"
)

// onGPU says that the tests run on a real GPU.
var onGPU = os.Getenv(cudaemu.RealGPU) != ""

func TestMain(m *testing.M) {
	if !onGPU {
		workspaceLimit = 2 << 20 // the emulator fills it all
		measuredRuns = 1
		patchesBytes = 8 << 10 // several turns
		os.Setenv("RINGLOOM_EMULATOR_DEVICES", "2")
	}
	os.Exit(m.Run())
}

// open returns a device: a real GPU where the tests run on one, else the emulator's.
func open(t testing.TB, o Options) *Device {
	t.Helper()
	if !onGPU {
		cudaemu.Use(t)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// locked runs a test on a locked thread, with a device.
func locked(t *testing.T, o Options, test func(d *Device)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d := open(t, o)
	defer func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	test(d)
}

func TestConformance(t *testing.T) {
	nntest.Run(t, func(t testing.TB) op.Device { return open(t, Options{Precision: Float32}) })
}

func TestGoldenSteps(t *testing.T) {
	modelstest.Run(t, func(t testing.TB) op.Device { return open(t, Options{Precision: Float32}) })
}

func TestClosedDevice(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		b, err := d.Alloc(4)
		if err != nil {
			t.Fatal(err)
		}
		k, err := d.Compile(op.ReLUForward{Len: 4})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		_, allocErr := d.Alloc(1)
		_, compileErr := d.Compile(op.ReLUForward{Len: 4})
		for what, err := range map[string]error{
			"alloc": allocErr, "compile": compileErr, "run": k.Run([]op.Buffer{b}, []op.Buffer{b}), "put": d.Put(b, []float32{1}),
		} {
			if err != errClosed {
				t.Errorf("%s on a closed device: %v", what, err)
			}
		}
	})
}

func TestGPUsAreFoundByNumberAndUUID(t *testing.T) {
	locked(t, Options{}, func(*Device) {
		all, err := driver.Devices()
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range all {
			for _, o := range []Options{{Ordinal: info.Ordinal}, {UUID: strings.ToLower(info.UUID)}, {UUID: "MIG-" + info.UUID[4:]}} {
				locked(t, o, func(d *Device) {
					if d.info.UUID != info.UUID || !strings.Contains(d.Description(), info.UUID) {
						t.Errorf("%+v opened %s", o, d.Description())
					}
				})
			}
		}
		for _, o := range []Options{{Ordinal: len(all)}, {UUID: "GPU-0"}} {
			_, err := New(o)
			if err == nil || !strings.Contains(err.Error(), all[0].UUID) {
				t.Errorf("%+v: error %v, which should list the GPUs", o, err)
			}
		}
		for _, o := range []Options{{Precision: "fp8"}, {Ordinal: -1}, {MemoryLimit: -1}} {
			if _, err := New(o); err == nil {
				t.Errorf("%+v opened a GPU", o)
			}
		}
	})
}

// TestTwoGPUsOnOneThread uses them in turn: each call must find its own.
func TestTwoGPUsOnOneThread(t *testing.T) {
	locked(t, Options{}, func(first *Device) {
		if n, err := Count(); err != nil || n < 2 {
			t.Skipf("SKIPPED: there are %d GPUs, error %v", n, err)
		}
		locked(t, Options{Ordinal: 1}, func(second *Device) {
			for round := range 3 {
				for i, d := range []*Device{first, second} {
					b, err := d.Alloc(3)
					if err != nil {
						t.Fatal(err)
					}
					want := float32(10*round + i)
					if err := d.Put(b, []float32{want, -want, want}); err != nil {
						t.Fatal(err)
					}
					k, err := d.Compile(op.ReLUForward{Len: 3})
					if err != nil {
						t.Fatal(err)
					}
					if err := k.Run([]op.Buffer{b}, []op.Buffer{b}); err != nil {
						t.Fatal(err)
					}
					if err := op.Pull(d, b); err != nil || b.Host[0] != want || b.Host[1] != 0 {
						t.Fatalf("%s: %v, error %v", d.Name(), b.Host, err)
					}
				}
			}
		})
	})
}

func TestMemoryLimit(t *testing.T) {
	const limit = 64 << 20
	locked(t, Options{MemoryLimit: limit}, func(d *Device) {
		_, err := d.Alloc(limit / float32Bytes)
		if err == nil || !strings.Contains(err.Error(), "the limit is 64.0 MiB") {
			t.Fatalf("more than the limit: error %v", err)
		}
		b, err := d.Alloc(1000)
		if err != nil {
			t.Fatalf("less than the limit, after more: %v", err)
		}
		used := d.memory.used
		d.memory.used = limit
		for range slotCount + 1 {
			if err := d.Put(b, make([]float32, 1000)); err == nil || !strings.Contains(err.Error(), "the limit is 64.0 MiB") {
				t.Fatalf("a copy without room for what it goes through: error %v", err)
			}
		}
		d.memory.used = used
		if err := d.Put(b, make([]float32, 1000)); err != nil {
			t.Fatal(err)
		}
	})
}
