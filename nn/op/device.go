package op

import "errors"

// Buffer is a span of a device's memory. A device that computes in the process's own memory (purego, oneDNN) sets Host
// alone. An Accelerator sets Device, its address, and, for what the host reads or writes, Host too: a mirror of the
// same elements, which is only as fresh as the last Push or Pull.
type Buffer struct {
	Host   []float32
	Device uintptr
	// Half says that the elements are bfloat16, not float32: activations on an Accelerator that keeps them so. There is
	// no mirror then.
	Half bool
}

// Slice is the n elements from offset on.
func (b Buffer) Slice(offset, n int) Buffer {
	if b.Host != nil {
		b.Host = b.Host[offset : offset+n : offset+n]
	}
	if b.Device != 0 {
		b.Device += uintptr(offset) * b.elementBytes()
	}
	return b
}

// ElementBytes is the size of a float32.
const ElementBytes = 4

func (b Buffer) elementBytes() uintptr {
	if b.Half {
		return ElementBytes / 2
	}
	return ElementBytes
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
	// Alloc returns n zeroed float32 elements that the host can read and write, aligned to 64 bytes. Free it with Close
	// of the device.
	Alloc(n int) (Buffer, error)
	// Close releases every kernel's and buffer's memory. No kernel may run after it.
	Close() error
}

// Kernel is a compiled operation. The operands' order and shapes are those that its Spec documents. Run writes every
// element of dst (where the Spec says that dst accumulates, it adds to what is there), allocates nothing and never
// keeps an operand after it returns. Operands do not overlap, but dst[0] may be src[0] where its Operand says InPlace.
type Kernel interface {
	Run(dst, src []Buffer) error
}

// ErrUnsupported is wrapped by Compile's error when a device lacks an operation.
var ErrUnsupported = errors.New("operation not supported by this device")
