package purego

import (
	"fmt"
	"runtime"

	"ringloom/nn/op"
)

// Device computes in the process's own memory. Make it with New or NewFloat64.
type Device struct {
	crew    *crew
	scratch scratch
	wide    *wide // nil where the elements are the host's own float32
	closed  bool
}

// element is what a device's operations read and write.
type element interface{ float32 | float64 }

// New returns the reference device. It computes on as many processors as GOMAXPROCS allows now, and as there are cores.
func New() *Device { return &Device{crew: newCrew()} }

// NewFloat64 returns a device that computes the same in float64 throughout: by it the error of the others is
// measured. Its buffers take three times the memory. Host has their elements rounded; Float64 has them as they are.
func NewFloat64() *Device { return &Device{crew: newCrew(), wide: &wide{}} }

// Name is "purego".
func (*Device) Name() string { return "purego" }

// Description names the Go version, the architecture and the number of threads.
func (d *Device) Description() string {
	elements := ""
	if d.wide != nil {
		elements = " in float64"
	}
	return fmt.Sprintf("plain Go reference%s (%s, %s), threads: %d", elements, runtime.Version(), runtime.GOARCH, d.crew.size())
}

// Alloc returns n zeroed elements that start on a 64-byte boundary.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if d.closed {
		return op.Buffer{}, errClosed
	}
	b, err := op.NewHostBuffer(n)
	if err == nil && d.wide != nil {
		d.wide.add(b.Host)
	}
	return b, err
}

// Close ends the device's goroutines and forbids further use. The garbage collector takes the memory.
func (d *Device) Close() error {
	if !d.closed {
		d.closed = true
		d.crew.close()
	}
	return nil
}

var errClosed = fmt.Errorf("the purego device is closed")

// operands are those of the run at hand, as plain slices.
type operands[T element] struct {
	dst, src         [][]T
	hostDst, hostSrc [][]float32 // as the host has them, for bits that are no numbers
}

// mask is the operand that Gather.Mask appends.
func (o *operands[T]) mask() []T { return o.src[len(o.src)-1] }

// Compile prepares one operation and the scratch memory that it needs.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
	if d.closed {
		return nil, errClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("purego: %w", err)
	}
	if d.wide != nil {
		return compile(d, spec, d.wide.read, d.wide.round)
	}
	own := func(host []float32) []float32 { return host }
	return compile(d, spec, own, func([]float32) {})
}

func compile[T element](d *Device, spec op.Spec, read func([]float32) []T, round func([]float32)) (op.Kernel, error) {
	k := &kernel[T]{device: d, spec: spec, read: read, round: round}
	k.dstLens, k.srcLens = op.Lens(spec)
	k.dst, k.src = make([][]T, len(k.dstLens)), make([][]T, len(k.srcLens))
	k.hostDst, k.hostSrc = make([][]float32, len(k.dstLens)), make([][]float32, len(k.srcLens))
	k.numbers = len(k.dst)
	if _, is := spec.(op.MaxPoolForward); is {
		k.numbers = 1 // where holds bytes
	}
	if k.run = operation(d, spec, &k.operands); k.run == nil {
		return nil, fmt.Errorf("purego: %T: %w", spec, op.ErrUnsupported)
	}
	return k, nil
}

// operation returns the function that computes spec on what o holds when it is called, or nil.
func operation[T element](d *Device, spec op.Spec, o *operands[T]) func() {
	switch s := spec.(type) {
	case op.ConvForward:
		return convForward(d, s, o)
	case op.ConvBackwardData:
		return convBackwardData(d, s, o)
	case op.ConvBackwardWeights:
		return convBackwardWeights(d, s, o)
	case op.LinearForward:
		return linearForward(d, s, o)
	case op.LinearBackwardData:
		return linearBackwardData(d, s, o)
	case op.LinearBackwardWeights:
		return linearBackwardWeights(d, s, o)
	case op.AvgPoolForward:
		return avgPoolForward(s, o)
	case op.AvgPoolBackward:
		return avgPoolBackward(s, o)
	case op.MaxPoolForward:
		return maxPoolForward(s, o)
	case op.MaxPoolBackward:
		return maxPoolBackward(s, o)
	case op.SigmoidForward:
		return sigmoidForward(o)
	case op.SigmoidBackward:
		return sigmoidBackward(o)
	case op.ReLUForward:
		return reluForward(o)
	case op.ReLUBackward:
		return reluBackward(o)
	case op.Add:
		return add(s, o)
	case op.Dropout:
		return dropout(s, o)
	case op.ChannelCopy:
		return channelCopy(s, o)
	case op.BatchNormMoments:
		return batchNormMoments(s, o)
	case op.BatchNormForward:
		return batchNormForward(s, o)
	case op.BatchNormInference:
		return batchNormInference(s, o)
	case op.BatchNormBackwardSums:
		return batchNormBackwardSums(s, o)
	case op.BatchNormBackward:
		return batchNormBackward(s, o)
	case op.SoftmaxCrossEntropyForward:
		return softmaxCrossEntropy(s, o)
	case op.AdamUpdate:
		return adamUpdate(d, s, o)
	case op.SGDUpdate:
		return sgdUpdate(d, s, o)
	case op.SumOfSquares:
		return sumOfSquares(o)
	}
	return nil
}

// kernel checks the operands and hands them to the operation as plain slices.
type kernel[T element] struct {
	operands[T]
	device           *Device
	spec             op.Spec
	run              func()
	dstLens, srcLens []int
	numbers          int                      // of dst, first the operands that are numbers
	read             func(host []float32) []T // the elements behind a buffer
	round            func(host []float32)     // brings what they have become to the host
}

func (k *kernel[T]) Run(dst, src []op.Buffer) error {
	if k.device.closed {
		return errClosed
	}
	if err := k.bind("dst", k.dst, k.hostDst, dst, k.dstLens); err != nil {
		return err
	}
	if err := k.bind("src", k.src, k.hostSrc, src, k.srcLens); err != nil {
		return err
	}
	k.run()
	for _, host := range k.hostDst[:k.numbers] {
		k.round(host)
	}
	clear(k.dst)
	clear(k.src)
	clear(k.hostDst)
	clear(k.hostSrc)
	return nil
}

func (k *kernel[T]) bind(what string, to [][]T, host [][]float32, from []op.Buffer, lens []int) error {
	if len(from) != len(lens) {
		return fmt.Errorf("purego: %s takes %d operands in %s, not %d", k.spec.Kind(), len(lens), what, len(from))
	}
	for i, b := range from {
		if len(b.Host) != lens[i] {
			return fmt.Errorf("purego: %s: %s[%d] has %d host elements, not %d",
				k.spec.Kind(), what, i, len(b.Host), lens[i])
		}
		to[i], host[i] = k.read(b.Host), b.Host
	}
	return nil
}
