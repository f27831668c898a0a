package cuda

import (
	"fmt"
	"slices"
	"strings"
)

// Precision is how convolutions and matrix products are computed.
type Precision string

const (
	// TF32 multiplies with 10 bits of mantissa and adds in float32, as PyTorch's convolutions do by default.
	TF32 Precision = "tf32"
	// Float32 multiplies and adds in float32.
	Float32 Precision = "float32"
	// Strict is Float32 without algorithms that come to the same as a convolution's definition in exact arithmetic
	// alone, such as Winograd's and FFT.
	Strict Precision = "strict"
	// BF16 keeps activations, their gradients and a copy of the weights as bfloat16, and adds in float32. Parameters,
	// their gradients and what the optimizer keeps stay float32.
	BF16 Precision = "bf16"
)

// Precisions lists the values of Precision.
func Precisions() []string {
	return []string{string(TF32), string(Float32), string(Strict), string(BF16)}
}

// Options is how a device is opened.
type Options struct {
	// Ordinal is the number of the GPU, from 0 in the driver's order. UUID, if set, names it instead, as nvidia-smi -L
	// does: "GPU-" and five groups of hexadecimal digits; "MIG-" is the same.
	Ordinal int
	UUID    string
	// Precision is TF32 where it is empty.
	Precision Precision
	// MemoryLimit is how many bytes of the GPU's memory the device may take; 0 means all that is free.
	MemoryLimit int64
	// Eager launches every kernel by itself where a CUDA graph would be replayed. It is slower; it is for finding
	// faults, and RINGLOOM_CUDA_EAGER=1 sets it.
	Eager bool
	// LegacyConvolutions leaves out the engines that only cuDNN's graph API has, most of which newer GPUs are fast
	// with. It is for finding faults.
	LegacyConvolutions bool
	// AnyOrder takes algorithms for convolutions, too, whose sums are in no fixed order, so that the last bits differ
	// from run to run, as PyTorch does by default. RINGLOOM_CUDNN_ANY_ORDER=1 sets it.
	AnyOrder bool
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	if o.Precision != "" && !slices.Contains(Precisions(), string(o.Precision)) {
		return fmt.Errorf("precision %q: choose one of %s", o.Precision, strings.Join(Precisions(), ", "))
	}
	if o.Ordinal < 0 {
		return fmt.Errorf("GPU %d: the first one is 0", o.Ordinal)
	}
	if o.MemoryLimit < 0 {
		return fmt.Errorf("a memory limit of %d bytes", o.MemoryLimit)
	}
	return nil
}
