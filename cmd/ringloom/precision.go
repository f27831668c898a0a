package main

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

const precisionHelp = "arithmetic: float32; bf16 is refused, with the reason"

// checkPrecision refuses what cannot be had, and says whether the processor or this program lacks it.
func checkPrecision(precision string) error {
	switch precision {
	case "float32":
		return nil
	case "bf16":
		if !cpu.X86.HasAVX512BF16 && !cpu.X86.HasAMXBF16 {
			return fmt.Errorf("--precision bf16: this processor has no bf16 instructions (AVX-512 BF16 or AMX), and without them it is slower than float32; use --precision float32")
		}
		return fmt.Errorf("--precision bf16: this processor has bf16 instructions, but this version of ringloom has no kernels for them; use --precision float32")
	}
	return fmt.Errorf("--precision %q: choose float32", precision)
}
