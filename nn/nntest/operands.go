package nntest

import (
	"math"
	"testing"

	"ringloom/internal/splitmix"
	"ringloom/nn/op"
)

// bench runs kernels of one device and fails the test where they fail.
type bench struct {
	t      testing.TB
	device op.Device
}

// zeros allocates n zeros.
func (b bench) zeros(n int) op.Buffer {
	b.t.Helper()
	buf, err := b.device.Alloc(n)
	if err != nil {
		b.t.Fatalf("alloc %d: %v", n, err)
	}
	if len(buf.Host) != n {
		b.t.Fatalf("alloc %d: %d host elements; this suite needs memory that the host can read", n, len(buf.Host))
	}
	return buf
}

// buffer allocates n elements and fills them from the seed, uniform in [-1, 1).
func (b bench) buffer(n int, seed uint64) op.Buffer {
	b.t.Helper()
	buf := b.zeros(n)
	for i := range buf.Host {
		buf.Host[i] = float32(splitmix.Unit(seed<<32 + uint64(i)))
	}
	return buf
}

// copyOf allocates a copy of v.
func (b bench) copyOf(v []float32) op.Buffer {
	b.t.Helper()
	buf := b.zeros(len(v))
	copy(buf.Host, v)
	return buf
}

// empty allocates n elements that are not a number, so that what a kernel forgets to write is seen.
func (b bench) empty(n int) op.Buffer {
	b.t.Helper()
	buf := b.zeros(n)
	nan := float32(math.NaN())
	for i := range buf.Host {
		buf.Host[i] = nan
	}
	return buf
}

func (b bench) compile(spec op.Spec) op.Kernel {
	b.t.Helper()
	k, err := b.device.Compile(spec)
	if err != nil {
		b.t.Fatalf("compile %s %v: %v", spec.Kind(), spec, err)
	}
	return k
}

// run brings the operands to an accelerator, runs, and brings the results back.
func (b bench) run(k op.Kernel, dst, src []op.Buffer) {
	b.t.Helper()
	b.push(dst)
	b.push(src)
	if err := k.Run(dst, src); err != nil {
		b.t.Fatalf("run: %v", err)
	}
	for _, buf := range dst {
		b.pull(buf)
	}
}

func (b bench) push(buffers []op.Buffer) {
	b.t.Helper()
	for _, buf := range buffers {
		if err := op.Push(b.device, buf); err != nil {
			b.t.Fatalf("push: %v", err)
		}
	}
}

// pull brings what lies at an accelerator to the host.
func (b bench) pull(buf op.Buffer) {
	b.t.Helper()
	if err := op.Pull(b.device, buf); err != nil {
		b.t.Fatalf("pull: %v", err)
	}
}

// compute compiles spec, runs it on src and returns its results.
func (b bench) compute(spec op.Spec, src ...op.Buffer) []op.Buffer {
	b.t.Helper()
	dst := b.results(spec)
	b.run(b.compile(spec), dst, src)
	return dst
}

// results allocates the operands dst of a spec: numbers where it updates them, the same each time, and elsewhere what
// is not a number.
func (b bench) results(spec op.Spec) []op.Buffer {
	b.t.Helper()
	operands, _ := spec.Operands()
	dst := make([]op.Buffer, len(operands))
	for i, o := range operands {
		if !o.Updated {
			dst[i] = b.empty(o.Len)
			continue
		}
		dst[i] = b.buffer(o.Len, uint64(100+i))
		switch s := spec.(type) {
		case op.AdamUpdate:
			if i == 2 { // squares
				absolute(dst[i].Host)
			}
		case op.BatchNormForward:
			absolute(dst[i].Host[s.C:])
		}
	}
	return dst
}

// source fills the operands src of a spec with numbers that make sense for it; what lies in gaps is not a number.
func (b bench) source(spec op.Spec) []op.Buffer {
	b.t.Helper()
	_, lens := op.Lens(spec)
	src := make([]op.Buffer, len(lens))
	for i, n := range lens {
		src[i] = b.buffer(n, uint64(i+1))
	}
	switch s := spec.(type) {
	case op.ConvBackwardData:
		spoilGaps(src[0].Host, s.Dst)
	case op.ConvBackwardWeights:
		spoilGaps(src[0].Host, s.Dst)
	case op.ChannelCopy:
		spoilGaps(src[0].Host, s.Src)
	case op.SigmoidForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 6
		}
	case op.SigmoidBackward:
		for i, y := range src[1].Host {
			src[1].Host[i] = (y + 1) / 2
		}
	case op.Dropout:
		setKey(src[1], 0x0123456789abcdef)
	case op.MaxPoolForward:
		distinct(src[0].Host)
	case op.MaxPoolBackward:
		x := b.zeros(s.Src.Len())
		distinct(x.Host)
		src[1] = b.naiveWhere(s.Pool, x)
	case op.BatchNormForward:
		absolute(src[3].Host[s.C:])
	case op.BatchNormInference:
		absolute(src[3].Host[s.C:])
	case op.BatchNormBackwardSums:
		absolute(src[2].Host[s.C:])
	case op.BatchNormBackward:
		absolute(src[3].Host[s.C:])
	case op.SoftmaxCrossEntropyForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 4
		}
		for i := range src[1].Host {
			src[1].Host[i] = float32(splitmix.Mix(uint64(i)) % uint64(s.C))
		}
		src[2].Host[0] = 1 / float32(s.N)
	case op.AdamUpdate:
		copy(src[1].Host, []float32{1e-2, 0.5, 0.01, 0.999, 0.9, 0.999, 5, 1e-8})
	case op.SGDUpdate:
		copy(src[1].Host, []float32{1e-2, 0.5, 0.01, 0.999, 0.9, 0, 0, 0})
	}
	return src
}

// setKey makes the 64 bits the key of dropout.
func setKey(key op.Buffer, bits uint64) {
	key.Host[0], key.Host[1] = math.Float32frombits(uint32(bits)), math.Float32frombits(uint32(bits>>32))
}

// absolute makes variances of v, with none near zero.
func absolute(v []float32) {
	for i, x := range v {
		v[i] = float32(math.Abs(float64(x))) + 0.1
	}
}

// distinct fills v with values that all differ, by a quarter at least, so that small steps do not change which of them
// is the largest.
func distinct(v []float32) {
	const step = 0.25
	for i := range v {
		v[i] = step * float32(i-len(v)/2)
	}
	for i := range v {
		j := int(splitmix.Mix(uint64(i)) % uint64(i+1))
		v[i], v[j] = v[j], v[i]
	}
}

// spoilGaps makes what lies between an image's pixels not a number.
func spoilGaps(v []float32, shape op.Image) {
	for i := range v {
		if gap(shape, i) {
			v[i] = float32(math.NaN())
		}
	}
}

// gap reports whether element i of an image's memory lies between its pixels.
func gap(shape op.Image, i int) bool { return i%shape.PixelPitch() >= shape.C }
