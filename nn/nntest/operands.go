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

// buffer allocates n elements and fills them from the seed, uniform in [-1, 1).
func (b bench) buffer(n int, seed uint64) nn.Buffer {
	b.t.Helper()
	buf := b.empty(n)
	for i := range buf.Host {
		buf.Host[i] = float32(unit(seed<<32 + uint64(i)))
	}
	return buf
}

// empty allocates n elements that are not a number, so that what a kernel forgets to write is seen.
func (b bench) empty(n int) nn.Buffer {
	b.t.Helper()
	buf, err := b.device.Alloc(n)
	if err != nil {
		b.t.Fatalf("alloc %d: %v", n, err)
	}
	if len(buf.Host) != n {
		b.t.Fatalf("alloc %d: %d host elements; this suite needs a device that computes in host memory", n, len(buf.Host))
	}
	for i := range buf.Host {
		buf.Host[i] = float32(math.NaN())
	}
	return buf
}

func (b bench) empties(lens []int) []nn.Buffer {
	b.t.Helper()
	bufs := make([]nn.Buffer, len(lens))
	for i, n := range lens {
		bufs[i] = b.empty(n)
	}
	return bufs
}

func (b bench) compile(spec nn.Spec) nn.Kernel {
	b.t.Helper()
	k, err := b.device.Compile(spec)
	if err != nil {
		b.t.Fatalf("compile %s %v: %v", nn.Kind(spec), spec, err)
	}
	return k
}

func (b bench) run(k nn.Kernel, dst, src []nn.Buffer) {
	b.t.Helper()
	if err := k.Run(dst, src); err != nil {
		b.t.Fatalf("run: %v", err)
	}
}

// source fills the operands of a spec with numbers that make sense for it.
func (b bench) source(spec nn.Spec) []nn.Buffer {
	b.t.Helper()
	_, lens := nn.Operands(spec)
	src := make([]nn.Buffer, len(lens))
	for i, n := range lens {
		src[i] = b.buffer(n, uint64(i+1))
	}
	switch s := spec.(type) {
	case nn.SigmoidForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 6
		}
	case nn.SigmoidBackward:
		for i, y := range src[1].Host {
			src[1].Host[i] = (y + 1) / 2
		}
	case nn.SoftmaxCrossEntropyForward:
		for i := range src[0].Host {
			src[0].Host[i] *= 4
		}
		for i := range src[1].Host {
			src[1].Host[i] = float32(splitmix64(uint64(i)) % uint64(s.C))
		}
		src[2].Host[0] = 1 / float32(s.N)
	}
	return src
}

// specs are all operations of the layers and losses.
func specs(layers []layer) (all []nn.Spec) {
	for _, l := range layers {
		all = append(all, l.forward, l.data)
		if l.weights != nil {
			all = append(all, l.weights)
		}
	}
	for _, s := range losses {
		all = append(all, s)
	}
	return all
}
