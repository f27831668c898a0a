package purego

import (
	"fmt"
	"runtime"

	"ringloom/nn"
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
func (d *Device) Alloc(n int) (nn.Buffer, error) {
	if d.closed {
		return nn.Buffer{}, errClosed
	}
	return nn.NewHostBuffer(n)
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
func (d *Device) Compile(spec nn.Spec) (nn.Kernel, error) {
	if d.closed {
		return nil, errClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("purego: %w", err)
	}
	k := &kernel{device: d, spec: spec}
	k.dstLens, k.srcLens = nn.Operands(spec)
	k.dst, k.src = make([][]float32, len(k.dstLens)), make([][]float32, len(k.srcLens))
	if k.run = d.operation(spec, &k.operands); k.run == nil {
		return nil, fmt.Errorf("purego: %T: %w", spec, nn.ErrUnsupported)
	}
	return k, nil
}

// operation returns the function that computes spec on what o holds when it is called, or nil.
func (d *Device) operation(spec nn.Spec, o *operands) func() {
	switch s := spec.(type) {
	case nn.ConvForward:
		return convForward(d, s, o)
	case nn.ConvBackwardData:
		return convBackwardData(d, s, o)
	case nn.ConvBackwardWeights:
		return convBackwardWeights(d, s, o)
	case nn.LinearForward:
		return linearForward(d, s, o)
	case nn.LinearBackwardData:
		return linearBackwardData(d, s, o)
	case nn.LinearBackwardWeights:
		return linearBackwardWeights(d, s, o)
	case nn.AvgPoolForward:
		return avgPoolForward(s, o)
	case nn.AvgPoolBackward:
		return avgPoolBackward(s, o)
	case nn.MaxPoolForward:
		return maxPoolForward(s, o)
	case nn.MaxPoolBackward:
		return maxPoolBackward(s, o)
	case nn.SigmoidForward:
		return sigmoidForward(o)
	case nn.SigmoidBackward:
		return sigmoidBackward(o)
	case nn.ReLUForward:
		return reluForward(o)
	case nn.ReLUBackward:
		return reluBackward(o)
	case nn.Add:
		return add(s, o)
	case nn.Dropout:
		return dropout(s, o)
	case nn.ChannelCopy:
		return channelCopy(s, o)
	case nn.BatchNormMoments:
		return batchNormMoments(s, o)
	case nn.BatchNormForward:
		return batchNormForward(s, o)
	case nn.BatchNormInference:
		return batchNormInference(s, o)
	case nn.BatchNormBackwardSums:
		return batchNormBackwardSums(s, o)
	case nn.BatchNormBackward:
		return batchNormBackward(s, o)
	case nn.SoftmaxCrossEntropyForward:
		return softmaxCrossEntropy(s, o)
	case nn.AdamUpdate:
		return adamUpdate(d, s, o)
	case nn.SGDUpdate:
		return sgdUpdate(d, s, o)
	case nn.SumOfSquares:
		return sumOfSquares(o)
	}
	return nil
}

// kernel checks the operands and hands them to the operation as plain slices.
type kernel struct {
	operands
	device           *Device
	spec             nn.Spec
	run              func()
	dstLens, srcLens []int
}

func (k *kernel) Run(dst, src []nn.Buffer) error {
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
