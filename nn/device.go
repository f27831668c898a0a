package nn

import "errors"

// Buffer is a span of a device's memory that holds float32 elements. Exactly one of the two is set: Host for
// devices that compute in the process's own memory (purego, oneDNN), Device for an accelerator's address.
type Buffer struct {
	Host   []float32
	Device uintptr
}

// Slice is the n elements from offset on.
func (b Buffer) Slice(offset, n int) Buffer {
	if b.Host != nil {
		return Buffer{Host: b.Host[offset : offset+n : offset+n]}
	}
	const float32Bytes = 4
	return Buffer{Device: b.Device + uintptr(offset)*float32Bytes}
}

// Device compiles operations into kernels and owns the memory that they work on. A device is used by one OS thread
// at a time; oneDNN and CUDA both bind state to the thread, so callers lock it (runtime.LockOSThread).
type Device interface {
	// Name is the short name that --device takes, such as "purego", "cpu" or "cuda:0".
	Name() string
	// Description is one line for people: library version, instruction set, threads.
	Description() string
	// Compile prepares a kernel for one operation at fixed shapes. It returns ErrUnsupported (wrapped) for an
	// operation that the device does not have.
	Compile(spec Spec) (Kernel, error)
	// Alloc returns n zeroed float32 elements, aligned to 64 bytes. Free it with Close of the device.
	Alloc(n int) (Buffer, error)
	// Close releases every kernel's and buffer's memory. No kernel may run after it.
	Close() error
}

// Kernel is a compiled operation. The operands' order and shapes are those that its Spec documents. Run writes every
// element of dst, allocates nothing and never keeps an operand after it returns.
type Kernel interface {
	Run(dst, src []Buffer) error
}

// ErrUnsupported is wrapped by Compile's error when a device lacks an operation.
var ErrUnsupported = errors.New("operation not supported by this device")

// Spec describes one operation at fixed shapes. The set is closed: the types of this file.
type Spec interface {
	// Validate returns an error that wraps ErrSpec where the shapes do not fit together.
	Validate() error
	// String is the geometry in a few words, such as "8x28x28x1 -> 8x28x28x6, kernel 5x5, stride 1x1, padding 2x2".
	String() string
}

// Image is the shape of a batch of activations, stored NHWC (channels innermost). A matrix [N, C] is an Image of
// height and width one.
type Image struct{ N, H, W, C int }

// Len is the number of elements.
func (i Image) Len() int { return i.N * i.H * i.W * i.C }

// Conv is the geometry of a two-dimensional cross-correlation (what the field calls convolution). Weights are OIHW,
// [Dst.C, Src.C, KernelH, KernelW]; the bias is [Dst.C]. Dst.H = (Src.H + 2 PadH - KernelH)/StrideH + 1.
type Conv struct {
	Src, Dst         Image
	KernelH, KernelW int
	StrideH, StrideW int
	PadH, PadW       int
}

// ConvForward: dst = {y Dst}, src = {x Src, w OIHW, b [Dst.C]}.
type ConvForward struct{ Conv }

// ConvBackwardData: dst = {dx Src}, src = {dy Dst, w OIHW}.
type ConvBackwardData struct{ Conv }

// ConvBackwardWeights: dst = {dw OIHW, db [Dst.C]}, src = {dy Dst, x Src}.
type ConvBackwardWeights struct{ Conv }

// Linear is y = x w^T + b. x is an Image whose H, W, C are flattened in the order C, H, W (as PyTorch flattens NCHW)
// to index the columns of w [Out, Src.C*Src.H*Src.W]; the bias is [Out]; y is [Src.N, Out].
type Linear struct {
	Src Image
	Out int
}

// LinearForward: dst = {y [N, Out]}, src = {x Src, w, b}.
type LinearForward struct{ Linear }

// LinearBackwardData: dst = {dx Src}, src = {dy [N, Out], w}.
type LinearBackwardData struct{ Linear }

// LinearBackwardWeights: dst = {dw, db}, src = {dy [N, Out], x Src}.
type LinearBackwardWeights struct{ Linear }

// Pool is the geometry of a pooling window.
type Pool struct {
	Src, Dst         Image
	KernelH, KernelW int
	StrideH, StrideW int
	PadH, PadW       int
}

// AvgPoolForward: dst = {y Dst}, src = {x Src}. Padding is counted (as PyTorch's default count_include_pad).
type AvgPoolForward struct{ Pool }

// AvgPoolBackward: dst = {dx Src}, src = {dy Dst}.
type AvgPoolBackward struct{ Pool }

// SigmoidForward: dst = {y [Len]}, src = {x [Len]}; y = 1/(1+exp(-x)).
type SigmoidForward struct{ Len int }

// SigmoidBackward: dst = {dx [Len]}, src = {dy [Len], y [Len]}; dx = dy*y*(1-y).
type SigmoidBackward struct{ Len int }

// SoftmaxCrossEntropyForward is the loss over a batch of N samples and C classes.
// dst = {stats [2], dlogits [N, C]}, src = {logits [N, C], labels [N] (class numbers as floats), scale [1]}.
// stats[0] = scale * sum over samples of -log softmax(logits)[label]; stats[1] = number of samples whose largest
// logit (the first of equals) is the label's. dlogits = scale * (softmax(logits) - onehot(label)): it is kept for
// the backward pass. scale is 1/N for a mean over the batch, 1/(global batch) where several ranks share one.
type SoftmaxCrossEntropyForward struct{ N, C int }
