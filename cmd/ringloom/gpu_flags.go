package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/cpu"

	"ringloom/nn/cuda"
)

// gpuFlags say how a GPU computes, and how much of it may be used.
type gpuFlags struct {
	precision string   // empty: the device's usual one
	memory    byteSize // 0: all
}

func (f *gpuFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.precision, "precision", "", "arithmetic: with cuda "+strings.Join(cuda.Precisions(), ", ")+" (default tf32), else float32")
	fl.Var(&f.memory, "device-memory", "with cuda: most bytes of the GPU's memory to take, "+byteSizeHelp+" (0: all that is free)")
}

// check refuses what device can never have, before anything is opened.
func (f gpuFlags) check(device string) error {
	switch {
	case f.precision != "" && !slices.Contains(cuda.Precisions(), f.precision):
		return fmt.Errorf("--precision %q: choose one of %s", f.precision, strings.Join(cuda.Precisions(), ", "))
	case isGPU(device) || device == "auto":
		return nil
	}
	if err := f.needsGPU(); err != nil {
		return fmt.Errorf("%w: give --device cuda as well, or leave it out", err)
	}
	return nil
}

// needsGPU says which of the flags only a GPU can follow, or nil.
func (f gpuFlags) needsGPU() error {
	switch {
	case f.memory != 0:
		return fmt.Errorf("--device-memory %v is a GPU's", f.memory)
	case f.precision == string(cuda.TF32):
		return fmt.Errorf("--precision tf32 is a GPU's")
	case f.precision == string(cuda.BF16) && (cpu.X86.HasAVX512BF16 || cpu.X86.HasAMXBF16):
		return fmt.Errorf("--precision bf16 is a GPU's: this processor has bf16 instructions, but this version of ringloom has no kernels for them")
	case f.precision == string(cuda.BF16):
		return fmt.Errorf("--precision bf16 is a GPU's: this processor has no bf16 instructions (AVX-512 BF16 or AMX), and without them it is slower than float32")
	}
	return nil
}

// arguments are the flags as a child process takes them.
func (f gpuFlags) arguments() []string {
	return []string{"--precision=" + f.precision, "--device-memory=" + f.memory.String()}
}
