package run

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"

	"ringloom/internal/sysinfo"
	"ringloom/nn/cuda"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/onednn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
	"ringloom/report"
)

// DeviceConfig says on what a rank computes, and how.
type DeviceConfig struct {
	// Name is "cpu" (oneDNN), "purego", "cuda", "cuda:N", "cuda:GPU-..." or "cuda:MIG-...", or "auto": the fastest that this binary
	// and machine have. Default "auto".
	Name string
	// Threads compute on the processor. 0, the default: as many as there are cores.
	Threads int
	// Precision is the arithmetic, one of cuda.Precisions, of which float32 and strict are every device's. Empty, the
	// default: a GPU's is tf32, others' float32.
	Precision string
	// MemoryBytes is the most of a GPU's memory to take. 0, the default: all that is free.
	MemoryBytes int64
	// LocalRank is the number of this process among those that a launcher has started on the machine: "cuda" then is a GPU of its own,
	// in turn. -1, the default, without a launcher: the first GPU.
	LocalRank int
	// Eager has a GPU do without CUDA graphs.
	Eager bool
	// Kernels says how the ways of computing are chosen.
	Kernels Kernels
}

// DefaultDeviceConfig is a DeviceConfig with all defaults.
func DefaultDeviceConfig() DeviceConfig { return DeviceConfig{Name: "auto", LocalRank: -1} }

// Validate refuses what the device can never have, before anything is opened.
func (c DeviceConfig) Validate() error {
	if err := c.Kernels.Validate(); err != nil {
		return err
	}
	switch {
	case c.Threads < 0:
		return settingError("threads", " %d: give a positive number, or 0 for all cores", c.Threads)
	case c.Precision != "" && !slices.Contains(cuda.Precisions(), c.Precision):
		return settingError("precision", " %q: choose one of %s", c.Precision, strings.Join(cuda.Precisions(), ", "))
	case IsGPU(c.Name) || c.Name == "auto":
		return nil
	}
	return elsewhere(c.needsGPU())
}

// ComputeThreads is Threads, or the number of cores in place of 0.
func (c DeviceConfig) ComputeThreads() int {
	if c.Threads == 0 {
		return sysinfo.Cores()
	}
	return c.Threads
}

// Strict says that convolutions add up their products as they are defined, on whatever device.
func (c DeviceConfig) Strict() bool { return c.Precision == string(cuda.Strict) }

// needsGPU says which of the settings only a GPU can follow, or nil.
func (c DeviceConfig) needsGPU() error {
	switch {
	case c.MemoryBytes != 0:
		return settingError("device-memory", " %s is a GPU's", report.Bytes(c.MemoryBytes))
	case c.Precision == string(cuda.TF32):
		return settingError("precision", " tf32 is a GPU's")
	case c.Precision == string(cuda.BF16) && (cpu.X86.HasAVX512BF16 || cpu.X86.HasAMXBF16):
		return settingError("precision", " bf16 is a GPU's: this processor has bf16 instructions, but this version of ringloom has no kernels for them")
	case c.Precision == string(cuda.BF16):
		return settingError("precision", " bf16 is a GPU's: this processor has no bf16 instructions (AVX-512 BF16 or AMX), and without them it is slower than float32")
	}
	return nil
}

// elsewhere is what to do about an error of needsGPU where another device was asked for.
func elsewhere(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: give --device cuda as well, or leave it out", err)
}

// OpenDevice opens a device. One asked for by name is never replaced by another: what cannot be had is a UsageError. note is what the
// user should know of the choice, in one line. The device is bound to the calling thread: lock it.
func OpenDevice(c DeviceConfig) (device op.Device, note string, err error) {
	name := c.Name
	if IsGPU(name) {
		device, err = c.openGPU(name)
		return device, "", err
	}
	if name == "auto" {
		missing := cuda.Available()
		if missing == nil {
			device, err = c.openGPU("cuda")
			return device, "", err
		}
		if err := c.needsGPU(); err != nil {
			return nil, "", UsageError{fmt.Errorf("%w, and there is none to use: %w", err, missing)}
		}
		if BuiltWithCUDA {
			note = "no GPU is used: " + missing.Error()
		}
		name = "cpu"
		if err := onednn.Available(); err != nil {
			name, note = "purego", joinNotes(note, "using the slow reference device purego: "+err.Error())
		}
	}
	if err := elsewhere(c.needsGPU()); err != nil {
		return nil, "", UsageError{err}
	}
	switch name {
	case "cpu":
		if err := onednn.Available(); err != nil {
			return nil, "", UsageError{settingError("device", " cpu: %w", err)}
		}
		device, err = onednn.New(onednn.Options{Threads: c.ComputeThreads(), Direct: c.Kernels.Pin == KernelsDirect, Strict: c.Strict()})
		if errors.Is(err, onednn.ErrThreads) {
			err = UsageError{settingError("threads", ": %w", err)}
		}
		if d, ok := device.(interface{ Shortage() string }); ok && err == nil {
			note = joinNotes(note, d.Shortage())
		}
		return device, note, err
	case "purego":
		return purego.New(), note, nil
	}
	return nil, "", UsageError{settingError("device", " %q: choose one of auto, cpu, cuda, purego; cuda:N, cuda:GPU-... or cuda:MIG-... for a certain GPU", name)}
}

func joinNotes(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// IsGPU reports whether a device's name is that of a GPU.
func IsGPU(name string) bool { return name == "cuda" || strings.HasPrefix(name, "cuda:") }

// openGPU opens the GPU called name: "cuda" is the first one or, of the ranks that a launcher has started here, each one's own in turn.
func (c DeviceConfig) openGPU(name string) (op.Device, error) {
	failed := func(err error) (op.Device, error) {
		return nil, UsageError{settingError("device", " %s: %w", name, err)}
	}
	if c.Kernels.Pin != "" {
		return failed(fmt.Errorf("--deterministic-kernels %s is of the CPU's kernels: leave it out", c.Kernels.Pin))
	}
	options, err := c.gpuOptions(name, cuda.Count)
	if err != nil {
		return failed(err)
	}
	device, err := cuda.New(options)
	if err != nil {
		return failed(err)
	}
	return device, nil
}

// gpuOptions are those of the GPU called name. count is the number of GPUs here.
func (c DeviceConfig) gpuOptions(name string, count func() (int, error)) (cuda.Options, error) {
	o := cuda.Options{Precision: cuda.Precision(c.Precision), MemoryLimit: c.MemoryBytes, Eager: c.Eager}
	_, which, certain := strings.Cut(name, ":")
	switch {
	case certain && driver.IsUUID(which):
		o.UUID = which
	case certain:
		n, err := strconv.Atoi(which)
		if err != nil || n < 0 {
			return o, errors.New("give a number, such as cuda:0, or a UUID, such as cuda:GPU-... or cuda:MIG-...; nvidia-smi -L lists both")
		}
		o.Ordinal = n
	case c.LocalRank >= 0:
		n, err := count()
		if err != nil {
			return o, err
		}
		o.Ordinal = c.LocalRank % max(1, n)
	}
	return o, nil
}

// Hardware is what a device is exactly, as a GPU's name and UUID; empty where there is no more to say than its name.
func Hardware(device op.Device) string {
	if d, ok := device.(interface{ Hardware() string }); ok {
		return d.Hardware()
	}
	return ""
}

// BusyThreads is how many threads keep a core busy while a device with so many computes: behind an accelerator it is the
// one that tells it what to do.
func BusyThreads(device op.Device, threads int) int {
	if _, ok := op.AsAccelerator(device); ok {
		return 1
	}
	return threads
}
