package purego

import (
	"fmt"
	"runtime"

	"ringloom/nn/op"
)

// Device computes in the process's own memory. Make it with New.
type Device struct {
	crew    *crew
	scratch scratch
	closed  bool
}

// New returns the reference device. It computes on as many processors as GOMAXPROCS allows now, and as there are cores.
func New() *Device { return &Device{crew: newCrew()} }

// Name is "purego".
func (*Device) Name() string { return "purego" }

// Description names the Go version, the architecture and the number of threads.
func (d *Device) Description() string {
	return fmt.Sprintf("plain Go reference (%s, %s), threads: %d", runtime.Version(), runtime.GOARCH, d.crew.size())
}

// Alloc returns n zeroed elements that start on a 64-byte boundary.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if d.closed {
		return op.Buffer{}, errClosed
	}
	return op.NewHostBuffer(n)
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
type operands struct{ dst, src [][]float32 }

// mask is the operand that Gather.Mask appends.
func (o *operands) mask() []float32 { return o.src[len(o.src)-1] }

// Compile prepares one operation and the scratch memory that it needs.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
	if d.closed {
		return nil, errClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("purego: %w", err)
	}
	k := &kernel{device: d, spec: spec}
	k.dstLens, k.srcLens = op.Lens(spec)
	k.dst, k.src = make([][]float32, len(k.dstLens)), make([][]float32, len(k.srcLens))
	if k.run = d.operation(spec, &k.operands); k.run == nil {
		return nil, fmt.Errorf("purego: %T: %w", spec, op.ErrUnsupported)
	}
	return k, nil
}

// operation returns the function that computes spec on what o holds when it is called, or nil.
func (d *Device) operation(spec op.Spec, o *operands) func() {
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
type kernel struct {
	operands
	device           *Device
	spec             op.Spec
	run              func()
	dstLens, srcLens []int
}

func (k *kernel) Run(dst, src []op.Buffer) error {
	if k.device.closed {
		return errClosed
	}
	if err := k.bind("dst", k.dst, dst, k.dstLens); err != nil {
		return err
	}
	if err := k.bind("src", k.src, src, k.srcLens); err != nil {
		return err
	}
	k.run()
	clear(k.dst)
	clear(k.src)
	return nil
}

func (k *kernel) bind(what string, to [][]float32, from []op.Buffer, lens []int) error {
	if len(from) != len(lens) {
		return fmt.Errorf("purego: %s takes %d operands in %s, not %d", k.spec.Kind(), len(lens), what, len(from))
	}
	for i, b := range from {
		if len(b.Host) != lens[i] {
			return fmt.Errorf("purego: %s: %s[%d] has %d host elements, not %d",
				k.spec.Kind(), what, i, len(b.Host), lens[i])
		}
		to[i] = b.Host
	}
	return nil
}
