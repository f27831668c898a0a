package nntest

import (
	"math"
	"testing"

	"ringloom/nn"
)

// splitmix64 is Steele, Lea and Flood's generator as a function of its counter ("Fast splittable pseudorandom number
// generators", 2014).
func splitmix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// unit is uniform in [-1, 1), in steps of 2^-23.
func unit(x uint64) float64 { return float64(splitmix64(x)>>40)/(1<<23) - 1 }

// bench runs kernels of one device and fails the test where they fail.
type bench struct {
	t      testing.TB
	device nn.Device
}

// zeros allocates n zeros.
func (b bench) zeros(n int) nn.Buffer {
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
func (b bench) buffer(n int, seed uint64) nn.Buffer {
	b.t.Helper()
	buf := b.zeros(n)
	for i := range buf.Host {
		buf.Host[i] = float32(unit(seed<<32 + uint64(i)))
	}
	return buf
}

// copyOf allocates a copy of v.
func (b bench) copyOf(v []float32) nn.Buffer {
	b.t.Helper()
	buf := b.zeros(len(v))
	copy(buf.Host, v)
	return buf
}

// empty allocates n elements that are not a number, so that what a kernel forgets to write is seen.
func (b bench) empty(n int) nn.Buffer {
	b.t.Helper()
	buf := b.zeros(n)
	nan := float32(math.NaN())
	for i := range buf.Host {
		buf.Host[i] = nan
	}
	return buf
}

func (b bench) compile(spec nn.Spec) nn.Kernel {
	b.t.Helper()
	k, err := b.device.Compile(spec)
	if err != nil {
		b.t.Fatalf("compile %s %v: %v", nn.Kind(spec), spec, err)
	}
	return k
}

// run brings the operands to an accelerator, runs, and brings the results back.
func (b bench) run(k nn.Kernel, dst, src []nn.Buffer) {
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

func (b bench) push(buffers []nn.Buffer) {
	b.t.Helper()
	for _, buf := range buffers {
		if err := nn.Push(b.device, buf); err != nil {
			b.t.Fatalf("push: %v", err)
		}
	}
}

// pull brings what lies at an accelerator to the host.
func (b bench) pull(buf nn.Buffer) {
	b.t.Helper()
	if err := nn.Pull(b.device, buf); err != nil {
		b.t.Fatalf("pull: %v", err)
	}
}

// compute compiles spec, runs it on src and returns its results.
func (b bench) compute(spec nn.Spec, src ...nn.Buffer) []nn.Buffer {
	b.t.Helper()
	dst := b.results(spec)
	b.run(b.compile(spec), dst, src)
	return dst
}

// results allocates the operands dst of a spec: numbers where it updates them, the same each time, and elsewhere what
// is not a number.
func (b bench) results(spec nn.Spec) []nn.Buffer {
	b.t.Helper()
	lens, _ := nn.Operands(spec)
	dst := make([]nn.Buffer, len(lens))
	for i, n := range lens {
		if !nn.Updates(spec, i) {
			dst[i] = b.empty(n)
			continue
		}
		dst[i] = b.buffer(n, uint64(100+i))
		switch s := spec.(type) {
		case nn.AdamUpdate:
			if i == 2 { // squares
				absolute(dst[i].Host)
			}
		case nn.BatchNormForward:
			absolute(dst[i].Host[s.C:])
		}
	}
	return dst
}

// source fills the operands src of a spec with numbers that make sense for it; what lies in gaps is not a number.
func (b bench) source(spec nn.Spec) []nn.Buffer {
	b.t.Helper()
	_, lens := nn.Operands(spec)
	src := make([]nn.Buffer, len(lens))
	for i, n := range lens {
		src[i] = b.buffer(n, uint64(i+1))
	}
	switch s := spec.(type) {
	case nn.ConvBackwardData:
		spoilGaps(src[0].Host, s.Dst)
	case nn.ConvBackwardWeights:
		spoilGaps(src[0].Host, s.Dst)
	case nn.ChannelCopy:
		spoilGaps(src[0].Host, s.Src)
	case nn.SigmoidForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 6
		}
	case nn.SigmoidBackward:
		for i, y := range src[1].Host {
			src[1].Host[i] = (y + 1) / 2
		}
	case nn.Dropout:
		setKey(src[1], 0x0123456789abcdef)
	case nn.MaxPoolForward:
		distinct(src[0].Host)
	case nn.MaxPoolBackward:
		x := b.zeros(s.Src.Len())
		distinct(x.Host)
		src[1] = b.naiveWhere(s.Pool, x)
	case nn.BatchNormForward:
		absolute(src[3].Host[s.C:])
	case nn.BatchNormInference:
		absolute(src[3].Host[s.C:])
	case nn.BatchNormBackwardSums:
		absolute(src[2].Host[s.C:])
	case nn.BatchNormBackward:
		absolute(src[3].Host[s.C:])
	case nn.SoftmaxCrossEntropyForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 4
		}
		for i := range src[1].Host {
			src[1].Host[i] = float32(splitmix64(uint64(i)) % uint64(s.C))
		}
		src[2].Host[0] = 1 / float32(s.N)
	case nn.AdamUpdate:
		copy(src[1].Host, []float32{1e-2, 0.5, 0.01, 0.999, 0.9, 0.999, 5, 1e-8})
	case nn.SGDUpdate:
		copy(src[1].Host, []float32{1e-2, 0.5, 0.01, 0.999, 0.9, 0, 0, 0})
	}
	return src
}

// setKey makes the 64 bits the key of dropout.
func setKey(key nn.Buffer, bits uint64) {
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
		j := int(splitmix64(uint64(i)) % uint64(i+1))
		v[i], v[j] = v[j], v[i]
	}
}

// spoilGaps makes what lies between an image's pixels not a number.
func spoilGaps(v []float32, shape nn.Image) {
	for i := range v {
		if gap(shape, i) {
			v[i] = float32(math.NaN())
		}
	}
}

// gap reports whether element i of an image's memory lies between its pixels.
func gap(shape nn.Image, i int) bool { return i%shape.PixelPitch() >= shape.C }
