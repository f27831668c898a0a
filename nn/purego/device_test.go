package purego_test

import (
	"runtime"
	"slices"
	"testing"

	"ringloom/models/modelstest"
	"ringloom/nn/nntest"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

func TestConformance(t *testing.T) {
	nntest.Run(t, func(testing.TB) op.Device { return purego.New() })
}

func TestGoldenSteps(t *testing.T) {
	modelstest.Run(t, func(testing.TB) op.Device { return purego.New() })
}

func TestClosedDeviceRefuses(t *testing.T) {
	d := purego.New()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Alloc(1); err == nil {
		t.Error("Alloc on a closed device gave no error")
	}
	if _, err := d.Compile(op.SigmoidForward{Len: 1}); err == nil {
		t.Error("Compile on a closed device gave no error")
	}
}

func TestAnyNumberOfProcessorsGivesTheSameBits(t *testing.T) {
	c := op.Conv{
		Src: op.Image{N: 3, H: 13, W: 11, C: 130}, Dst: op.Image{N: 3, H: 13, W: 11, C: 21, Pitch: 23},
		KernelH: 3, KernelW: 3, StrideH: 1, StrideW: 1, PadH: 1, PadW: 1,
	}
	l := op.Linear{Src: op.Image{N: 5, H: 3, W: 3, C: 130}, Out: 77}
	for _, spec := range []op.Spec{
		op.ConvForward{Conv: c}, op.ConvBackwardData{Conv: c}, op.ConvBackwardWeights{Conv: c},
		op.LinearForward{Linear: l}, op.LinearBackwardData{Linear: l}, op.LinearBackwardWeights{Linear: l},
		op.AdamUpdate{Len: 1 << 18},
	} {
		var want [][]float32
		for _, processors := range []int{1, 2, 5} {
			got := runOn(t, spec, processors)
			if want == nil {
				want = got
			}
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%s: dst[%d] differs between 1 and %d processors", spec.Kind(), i, processors)
				}
			}
		}
	}
}

// runOn returns the results of a spec, computed with GOMAXPROCS at processors.
func runOn(t *testing.T, spec op.Spec, processors int) (results [][]float32) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	d := purego.New()
	defer d.Close()
	operands := func(lens []int) (buffers []op.Buffer) {
		for _, n := range lens {
			b, err := d.Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b.Host {
				b.Host[i] = 0.1 + float32(i*7919%1013)/1013
			}
			buffers = append(buffers, b)
		}
		return buffers
	}
	dstLens, srcLens := op.Lens(spec)
	dst, src := operands(dstLens), operands(srcLens)
	k, err := d.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Run(dst, src); err != nil {
		t.Fatal(err)
	}
	for _, b := range dst {
		results = append(results, b.Host)
	}
	return results
}
