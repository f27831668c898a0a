package nntest

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"ringloom/nn/op"
)

// contract checks what op.Device and op.Kernel promise apart from the numbers.
func contract(t *testing.T, d op.Device) {
	b := bench{t, d}
	if d.Name() == "" || d.Description() == "" {
		t.Errorf("name %q, description %q: both should say something", d.Name(), d.Description())
	}
	for _, n := range []int{1, 7, 1000} {
		buf := b.zeros(n)
		if slices.ContainsFunc(buf.Host, func(v float32) bool { return v != 0 }) {
			t.Errorf("alloc %d: not zeroed", n)
		}
		if uintptr(unsafe.Pointer(&buf.Host[0]))%64 != 0 {
			t.Errorf("alloc %d: not aligned to 64 bytes", n)
		}
	}

	bad := conv(op.Image{N: 1, H: 4, W: 4, C: 1}, 1, 3, 3, 1, 1, 0, 0)
	bad.Dst.H++
	for _, spec := range []op.Spec{op.ConvForward{Conv: bad}, op.LinearForward{}, op.SigmoidForward{Len: -1}, op.Dropout{Len: 1, Rate: 1}} {
		if _, err := d.Compile(spec); !errors.Is(err, op.ErrSpec) {
			t.Errorf("compile of impossible %s %v: error %v, not op.ErrSpec", spec.Kind(), spec, err)
		}
	}
	for _, spec := range allSpecs() {
		sub(t, specName(spec), func(t *testing.T) { kernelContract(t, bench{t, d}, spec) })
	}
	if b.compile(op.SigmoidForward{Len: 4}).Run(nil, nil) == nil {
		t.Error("a run without operands gave no error")
	}
}

// kernelContract checks one spec: every element is written but none in the gaps, the operands stay as they are, two
// runs give the same bits, so does running in place, and nothing is allocated.
func kernelContract(t *testing.T, b bench, spec op.Spec) {
	tries := 5
	k := b.compile(spec)
	src := b.source(spec)
	before := make([][]float32, len(src))
	for i := range src {
		before[i] = slices.Clone(src[i].Host)
	}
	first, second := b.results(spec), b.results(spec)
	b.run(k, first, src)
	if b.allocations(k, second, src) != 0 {
		// The runtime allocates now and then for goroutines that wait; a kernel would each time.
		least := uint64(math.MaxUint64)
		for scratch := b.results(spec); least > 0 && tries > 0; tries-- {
			least = min(least, b.allocations(k, scratch, src))
		}
		if least != 0 {
			t.Errorf("%v allocations a run", least)
		}
	}
	for i := range first {
		got := first[i].Host
		if shape, ok := pitched(spec, i); ok {
			for j, v := range got {
				if gap(shape, j) && v == v {
					t.Fatalf("dst[%d][%d] = %v was written, which lies between two pixels", i, j, v)
				}
			}
			got = written(spec, i, got)
		}
		if at := slices.IndexFunc(got, func(v float32) bool { return v != v }); at >= 0 && !holdsBytes(spec, i) {
			t.Errorf("dst[%d][%d] is not a number or was not written", i, at)
		}
		if !bitEqual(first[i].Host, second[i].Host) {
			t.Errorf("dst[%d] differs between two runs on the same operands", i)
		}
	}
	for i := range src {
		if !bitEqual(src[i].Host, before[i]) {
			t.Errorf("src[%d] was changed", i)
		}
	}
	if dst, _ := spec.Operands(); dst[0].InPlace {
		third := b.results(spec)
		third[0] = b.copyOf(src[0].Host)
		b.run(k, third, append([]op.Buffer{third[0]}, src[1:]...))
		for i := range first {
			if !bitEqual(first[i].Host, third[i].Host) {
				t.Errorf("dst[%d] differs where dst[0] is src[0]", i)
			}
		}
	}
}

// allocations counts those of one run, and of whatever else the process does in the meantime. A kernel that is given
// operands for the first time may prepare for them.
func (b bench) allocations(k op.Kernel, dst, src []op.Buffer) uint64 {
	b.t.Helper()
	if _, ok := op.AsAccelerator(b.device); ok {
		before := make([]op.Buffer, len(dst))
		for i := range dst {
			before[i] = b.copyOf(dst[i].Host)
		}
		b.run(k, dst, src)
		for i := range dst {
			copy(dst[i].Host, before[i].Host)
		}
	}
	b.push(dst)
	b.push(src)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := k.Run(dst, src)
	runtime.ReadMemStats(&after)
	if err != nil {
		b.t.Fatalf("run: %v", err)
	}
	for _, buf := range dst {
		b.pull(buf)
	}
	return after.Mallocs - before.Mallocs
}

func bitEqual(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
