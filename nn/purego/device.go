package purego

import (
	"fmt"
	"runtime"
	"unsafe"

	"ringloom/nn"
)

// Device computes in the process's own memory. Its zero value is ready to use.
type Device struct{ closed bool }

// New returns the reference device.
func New() *Device { return &Device{} }

// Name is "purego".
func (*Device) Name() string { return "purego" }

// Description names the Go version and the architecture.
func (*Device) Description() string {
	return fmt.Sprintf("plain Go reference (%s, %s), 1 thread", runtime.Version(), runtime.GOARCH)
}

// Alloc returns n zeroed elements that start on a 64-byte boundary.
func (d *Device) Alloc(n int) (nn.Buffer, error) {
	if d.closed {
		return nn.Buffer{}, errClosed
	}
	if n < 0 {
		return nn.Buffer{}, fmt.Errorf("cannot allocate %d elements", n)
	}
	const lineBytes, lineElements = 64, 16
	m := make([]float32, n+lineElements)
	skip := 0
	if over := uintptr(unsafe.Pointer(&m[0])) % lineBytes; over != 0 {
		skip = int(lineBytes-over) / 4
	}
	return nn.Buffer{Host: m[skip : skip+n : skip+n]}, nil
}

// Close forbids further use. The garbage collector takes the memory.
func (d *Device) Close() error {
	d.closed = true
	return nil
}

var errClosed = fmt.Errorf("the purego device is closed")

// Compile prepares the scratch memory of one operation.
func (d *Device) Compile(spec nn.Spec) (nn.Kernel, error) {
	if d.closed {
		return nil, errClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("purego: %w", err)
	}
	var run func(dst, src [][]float32)
	switch s := spec.(type) {
	case nn.ConvForward:
		run = convForward(s.Conv)
	case nn.ConvBackwardData:
		run = convBackwardData(s.Conv)
	case nn.ConvBackwardWeights:
		run = convBackwardWeights(s.Conv)
	case nn.LinearForward:
		run = linearForward(s.Linear)
	case nn.LinearBackwardData:
		run = linearBackwardData(s.Linear)
	case nn.LinearBackwardWeights:
		run = linearBackwardWeights(s.Linear)
	case nn.AvgPoolForward:
		run = avgPoolForward(s.Pool)
	case nn.AvgPoolBackward:
		run = avgPoolBackward(s.Pool)
	case nn.SigmoidForward:
		run = sigmoidForward
	case nn.SigmoidBackward:
		run = sigmoidBackward
	case nn.SoftmaxCrossEntropyForward:
		run = softmaxCrossEntropy(s)
	default:
		return nil, fmt.Errorf("purego: %T: %w", spec, nn.ErrUnsupported)
	}
	k := &kernel{spec: spec, run: run}
	k.dstLens, k.srcLens = nn.Operands(spec)
	k.dst, k.src = make([][]float32, len(k.dstLens)), make([][]float32, len(k.srcLens))
	return k, nil
}

// kernel checks the operands and hands them to the operation as plain slices.
type kernel struct {
	spec             nn.Spec
	run              func(dst, src [][]float32)
	dstLens, srcLens []int
	dst, src         [][]float32
}

func (k *kernel) Run(dst, src []nn.Buffer) error {
	if err := k.bind("dst", k.dst, dst, k.dstLens); err != nil {
		return err
	}
	if err := k.bind("src", k.src, src, k.srcLens); err != nil {
		return err
	}
	k.run(k.dst, k.src)
	clear(k.dst)
	clear(k.src)
	return nil
}

func (k *kernel) bind(what string, to [][]float32, from []nn.Buffer, lens []int) error {
	if len(from) != len(lens) {
		return fmt.Errorf("purego: %s takes %d operands in %s, not %d", nn.Kind(k.spec), len(lens), what, len(from))
	}
	for i, b := range from {
		if len(b.Host) != lens[i] {
			return fmt.Errorf("purego: %s: %s[%d] has %d host elements, not %d", nn.Kind(k.spec), what, i, len(b.Host), lens[i])
		}
		to[i] = b.Host
	}
	return nil
}
