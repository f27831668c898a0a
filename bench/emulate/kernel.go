package emulate

import (
	"fmt"
	"math"
	"ringloom/nn/op"
	"time"
)

// Gradient is what every step writes to the first element of each tensor's gradient.
const Gradient = 1

// kernel waits as long as its operation would take.
type kernel struct {
	device           *Device
	spec             op.Spec
	time             time.Duration
	write            func(dst, src []op.Buffer) // the few results that the host reads; nil where there are none
	dstLens, srcLens []int
}

// Compile prepares one operation. It knows all of package op.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
	if d.closed {
		return nil, errClosed
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("emulated: %w", err)
	}
	k := &kernel{device: d, spec: spec, time: time.Duration(math.Round(cost(spec) * d.unit))}
	k.dstLens, k.srcLens = op.Lens(spec)
	switch s := spec.(type) {
	case op.ConvBackwardWeights, op.LinearBackwardWeights:
		k.write = func(dst, _ []op.Buffer) { writeGradients(dst) }
	case op.BatchNormBackwardSums:
		k.write = func(dst, _ []op.Buffer) { writeGradients(dst[:2]) } // the third are means for the next kernel
	case op.SoftmaxCrossEntropyForward:
		guess := float64(s.N) * math.Log(float64(s.C))
		k.write = func(dst, src []op.Buffer) { dst[0].Host[0] = float32(guess * float64(src[2].Host[0])) }
	}
	return k, nil
}

func writeGradients(dst []op.Buffer) {
	for _, g := range dst {
		g.Host[0] = Gradient
	}
}

// Run waits, or lets the device owe.
func (k *kernel) Run(dst, src []op.Buffer) error {
	if k.device.closed {
		return errClosed
	}
	if err := k.check("dst", dst, k.dstLens); err != nil {
		return err
	}
	if err := k.check("src", src, k.srcLens); err != nil {
		return err
	}
	if k.write != nil {
		k.write(dst, src)
	}
	k.device.spend(k.time)
	return nil
}

// check finds operands that a real device could not compute with.
func (k *kernel) check(what string, operands []op.Buffer, lens []int) error {
	if len(operands) != len(lens) {
		return fmt.Errorf("emulated: %s takes %d operands in %s, not %d", k.spec.Kind(), len(lens), what, len(operands))
	}
	for i, b := range operands {
		if len(b.Host) != lens[i] {
			return fmt.Errorf("emulated: %s: %s[%d] has %d host elements, not %d", k.spec.Kind(), what, i, len(b.Host), lens[i])
		}
	}
	return nil
}
