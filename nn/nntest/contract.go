package nntest

import (
	"errors"
	"math"
	"slices"
	"testing"
	"unsafe"

	"ringloom/nn"
)

// contract checks what nn.Device and nn.Kernel promise apart from the numbers.
func contract(t *testing.T, d nn.Device) {
	b := bench{t, d}
	if d.Name() == "" || d.Description() == "" {
		t.Errorf("name %q, description %q: both should say something", d.Name(), d.Description())
	}
	for _, n := range []int{1, 7, 1000} {
		buf, err := d.Alloc(n)
		if err != nil {
			t.Fatalf("alloc %d: %v", n, err)
		}
		if slices.ContainsFunc(buf.Host, func(v float32) bool { return v != 0 }) {
			t.Errorf("alloc %d: not zeroed", n)
		}
		if len(buf.Host) > 0 && uintptr(unsafe.Pointer(&buf.Host[0]))%64 != 0 {
			t.Errorf("alloc %d: not aligned to 64 bytes", n)
		}
	}

	bad := conv(nn.Image{N: 1, H: 4, W: 4, C: 1}, 1, 3, 3, 1, 1, 0, 0)
	bad.Dst.H++
	for _, spec := range []nn.Spec{nn.ConvForward{Conv: bad}, nn.LinearForward{}, nn.SigmoidForward{Len: -1}} {
		if _, err := d.Compile(spec); !errors.Is(err, nn.ErrSpec) {
			t.Errorf("compile of impossible %s %v: error %v, not nn.ErrSpec", nn.Kind(spec), spec, err)
		}
	}

	for _, spec := range specs(append(smallLayers(), realLayers()...)) {
		t.Run(nn.Kind(spec)+" "+spec.String(), func(t *testing.T) {
			b := bench{t, d}
			k := b.compile(spec)
			lens, _ := nn.Operands(spec)
			src := b.source(spec)
			before := make([][]float32, len(src))
			for i := range src {
				before[i] = slices.Clone(src[i].Host)
			}
			first, second := b.empties(lens), b.empties(lens)
			b.run(k, first, src)
			b.run(k, second, src)
			for i := range first {
				if at := slices.IndexFunc(first[i].Host, func(v float32) bool { return v != v }); at >= 0 {
					t.Errorf("dst[%d][%d] is not a number or was not written", i, at)
				} else if !bitEqual(first[i].Host, second[i].Host) {
					t.Errorf("dst[%d] differs between two runs on the same operands", i)
				}
			}
			for i := range src {
				if !bitEqual(src[i].Host, before[i]) {
					t.Errorf("src[%d] was changed", i)
				}
			}
			if n := testing.AllocsPerRun(3, func() { b.run(k, first, src) }); n != 0 {
				t.Errorf("%v allocations a run", n)
			}
		})
	}

	k := b.compile(nn.SigmoidForward{Len: 4})
	if k.Run(nil, nil) == nil {
		t.Error("a run without operands gave no error")
	}
}

func bitEqual(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
