package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"ringloom/nn/cuda"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/onednn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

const deviceHelp = "auto, cpu (oneDNN), cuda (an NVIDIA GPU; cuda:N, cuda:GPU-... or cuda:MIG-... for that number or UUID) or purego (slow reference); auto takes the fastest that this binary and machine have"

// openDevice opens the device called name; kernels is the value of --deterministic-kernels. A device asked for by name
// is never replaced by another. note is what the user should know of the choice, in one line.
func openDevice(name string, threads int, kernels string, gpu gpuFlags) (device op.Device, note string, err error) {
	if isGPU(name) {
		device, err = gpu.open(name, kernels)
		return device, "", err
	}
	if name == "auto" {
		missing := cuda.Available()
		if missing == nil {
			device, err = gpu.open("cuda", kernels)
			return device, "", err
		}
		if err := gpu.needsGPU(); err != nil {
			return nil, "", usageError{fmt.Errorf("%w, and there is none to use: %w", err, missing)}
		}
		if builtWithCUDA {
			note = "no GPU is used: " + missing.Error()
		}
		name = "cpu"
		if err := onednn.Available(); err != nil {
			name, note = "purego", joinNotes(note, "using the slow reference device purego: "+err.Error())
		}
	}
	if err := gpu.needsGPU(); err != nil {
		return nil, "", usageError{fmt.Errorf("%w: give --device cuda as well, or leave it out", err)}
	}
	switch name {
	case "cpu":
		if err := onednn.Available(); err != nil {
			return nil, "", usageError{fmt.Errorf("--device cpu: %w", err)}
		}
		device, err = onednn.New(onednn.Options{Threads: threads, Direct: kernels == kernelsDirect})
		if errors.Is(err, onednn.ErrThreads) {
			err = usageError{fmt.Errorf("--threads: %w", err)}
		}
		return device, note, err
	case "purego":
		return purego.New(), note, nil
	}
	return nil, "", usageError{fmt.Errorf("--device %q: choose one of auto, cpu, cuda, purego; cuda:N, cuda:GPU-... or cuda:MIG-... for a certain GPU", name)}
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// envEager is the variable that, set to 1, has a GPU do without CUDA graphs (cuda.Options.Eager).
const envEager = "RINGLOOM_CUDA_EAGER"

// isGPU reports whether a device's name is that of a GPU.
func isGPU(name string) bool { return name == "cuda" || strings.HasPrefix(name, "cuda:") }

// open opens the GPU called name: "cuda" is the first one or, of the ranks that a launcher has started here, each one's own in turn.
func (f gpuFlags) open(name, kernels string) (op.Device, error) {
	failed := func(err error) (op.Device, error) {
		return nil, usageError{fmt.Errorf("--device %s: %w", name, err)}
	}
	if kernels != "" {
		return failed(fmt.Errorf("--deterministic-kernels %s is of the CPU's kernels: leave it out", kernels))
	}
	options, err := f.options(name, os.Getenv(envLocalRank), cuda.Count)
	if err != nil {
		return failed(err)
	}
	device, err := cuda.New(options)
	if err != nil {
		return failed(err)
	}
	return device, nil
}

// options are those of the GPU called name. localRank is the value of envLocalRank, and count the number of GPUs here.
func (f gpuFlags) options(name, localRank string, count func() (int, error)) (cuda.Options, error) {
	o := cuda.Options{Precision: cuda.Precision(f.precision), MemoryLimit: int64(f.memory), Eager: os.Getenv(envEager) == "1"}
	_, which, certain := strings.Cut(name, ":")
	switch {
	case certain && driver.IsUUID(which):
		o.UUID = which
	case certain:
		n, err := strconv.Atoi(which)
		if err != nil || n < 0 {
			return o, fmt.Errorf("give a number, such as cuda:0, or a UUID, such as cuda:GPU-... or cuda:MIG-...; nvidia-smi -L lists both")
		}
		o.Ordinal = n
	case localRank != "":
		rank, err := strconv.Atoi(localRank)
		if err != nil {
			return o, fmt.Errorf("$%s: %w", envLocalRank, err)
		}
		n, err := count()
		if err != nil {
			return o, err
		}
		o.Ordinal = rank % max(1, n)
	}
	return o, nil
}

// hardware is what a device is exactly, as a GPU's name and UUID; empty where there is no more to say than its name.
func hardware(device op.Device) string {
	if d, ok := device.(interface{ Hardware() string }); ok {
		return d.Hardware()
	}
	return ""
}

// computeThreads is how many threads keep a core busy while a device with so many computes: behind an accelerator it is the
// one that tells it what to do.
func computeThreads(device op.Device, threads int) int {
	if _, ok := op.AsAccelerator(device); ok {
		return 1
	}
	return threads
}
