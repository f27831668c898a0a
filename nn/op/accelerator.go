package op

import "time"

// Accelerator is a Device with a memory and an order of execution of its own: what it is told to do is queued and runs
// one after another, while the host goes on. Kernel.Run queues, and so does every method below that is not said to
// wait. Alloc gives buffers with a mirror (Buffer.Host).
type Accelerator interface {
	Device
	// AllocLocal returns memory for n elements, of bfloat16 where half is set, that has no mirror and holds anything.
	AllocLocal(n int, half bool) (Buffer, error)
	// HalfActivations says that activations and their gradients are bfloat16 (Operand.Activation).
	HalfActivations() bool
	// Put makes dst, which may be Half, equal to values. The caller may change values when it returns.
	Put(dst Buffer, values []float32) error
	// Get waits until what was queued is done and copies src, which may be Half, to values.
	Get(values []float32, src Buffer) error
	// PutImages makes dst [n, to, to] the pixels of n images, resampled, in 0..1. The caller may change the images when
	// it returns.
	PutImages(dst Buffer, images []byte, n, to int, r *Resampling) error
	// StartPull copies a buffer to its mirror behind what was queued before, beside what is queued later, which must
	// not write to the buffer until Wait has returned.
	StartPull(b Buffer) (Transfer, error)
	// StartPush copies a mirror to its buffer. What is queued later sees it. The mirror must stay as it is until a Wait
	// for a later StartPull of the same elements has returned.
	StartPush(b Buffer) error
	// NewPasses prepares the parts of a program, in their order. A part is a sequence of steps that always run one
	// after another with the same operands. The values of the parameters change before a run of the first part alone.
	NewPasses(parts [][]Step) ([]Pass, error)
	// Mark is a point in what was queued.
	Mark() (Mark, error)
	// Trace runs run, with each step of its passes, and each kernel, on its own, and says what they took, in their
	// order.
	Trace(run func() error) ([]Traced, error)
}

// Transfer is a copy on its way.
type Transfer interface {
	// Wait returns when it has arrived.
	Wait() error
}

// Step is a kernel with its operands.
type Step struct {
	Spec     Spec
	Kernel   Kernel
	Dst, Src []Buffer
}

// Traced is what one kernel of a step took. A step may need several.
type Traced struct {
	Spec Spec
	Name string // of the kernel, for people
	Time time.Duration
}

// Pass is a sequence of steps that an Accelerator runs as one.
type Pass interface {
	// Run queues it.
	Run() error
}

// Mark is a point in an Accelerator's queue.
type Mark interface {
	// Since is the time that the accelerator took from an earlier mark to this one. It waits for this one. Marks are
	// forgotten after some hundred later ones.
	Since(earlier Mark) (time.Duration, error)
}

// Resampling says how images of From x From bytes become larger or smaller, in two passes, first along the rows. Pixel
// i of a result is the sum of Taps pixels from Bounds[2i] on, Bounds[2i+1] of which count, each times
// Weights[i*Taps+k]; the weights are in units of 2^-22, and the sum is rounded to a byte.
type Resampling struct {
	From, Taps      int
	Bounds, Weights []int32
}

// AsAccelerator is the device as an Accelerator, and whether it is one.
func AsAccelerator(d Device) (Accelerator, bool) {
	a, ok := d.(Accelerator)
	return a, ok
}

// HostAlloc returns n zeroed elements that nothing but the host needs: an Accelerator's Alloc would give a mirror and
// what it is a mirror of.
func HostAlloc(d Device, n int) (Buffer, error) {
	if _, ok := AsAccelerator(d); ok {
		return NewHostBuffer(n)
	}
	return d.Alloc(n)
}

// Push brings the mirror of b to the device; Pull brings b to its mirror and waits for it. Where b lies in the host's
// own memory there is nothing to do.
func Push(d Device, b Buffer) error {
	if a, ok := AsAccelerator(d); ok && len(b.Host) > 0 {
		return a.Put(b, b.Host)
	}
	return nil
}

// Pull is described at Push.
func Pull(d Device, b Buffer) error {
	if a, ok := AsAccelerator(d); ok && len(b.Host) > 0 {
		return a.Get(b.Host, b)
	}
	return nil
}
