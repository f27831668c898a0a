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

func newFloat64(testing.TB) op.Device { return purego.NewFloat64() }

func TestConformanceOfFloat64(t *testing.T) { nntest.Run(t, newFloat64) }

// What the golden files say in nine digits comes out of PyTorch's float64 and of ours alike, in the deepest networks
// too: there is no rounding that could decide which way a gradient goes.
func TestGoldenStepsOfFloat64(t *testing.T) {
	const digits = 2e-7 // and what is read is rounded to float32
	for _, file := range modelstest.GoldenFiles(t) {
		t.Run(file, func(t *testing.T) {
			d := purego.NewFloat64()
			defer d.Close()
			modelstest.GoldenStepWithin(t, d, file, modelstest.GoldenTolerance{Loss: digits, Forward: digits, Backward: digits, NoFlips: true})
		})
	}
}

// Elements keep what float32 would lose from one operation to the next, until the host writes anew.
func TestFloat64KeepsWhatFloat32Loses(t *testing.T) {
	d := purego.NewFloat64()
	defer d.Close()
	a, b, sum := alloc(t, d, 2), alloc(t, d, 2), alloc(t, d, 2)
	add, err := d.Compile(op.Add{Len: 2})
	if err != nil {
		t.Fatal(err)
	}
	run := func(dst, x, y op.Buffer) {
		t.Helper()
		if err := add.Run([]op.Buffer{dst}, []op.Buffer{x, y}); err != nil {
			t.Fatal(err)
		}
	}
	copy(a.Host, []float32{1, 1})
	copy(b.Host, []float32{0x1p-40, 0x1p-40})
	run(sum, a, b)
	if sum.Host[0] != 1 || d.Float64(sum)[0] != 1+0x1p-40 {
		t.Fatalf("1 + 2^-40 is %v, on the host %v", d.Float64(sum)[0], sum.Host[0])
	}
	sum.Host[1] = 3
	run(b, sum, a)
	if got := d.Float64(b.Slice(0, 1))[0]; got != 2+0x1p-40 {
		t.Errorf("1 + 1 + 2^-40 is %v", got)
	}
	if got := d.Float64(b.Slice(1, 1))[0]; got != 4 {
		t.Errorf("3, which the host wrote, + 1 is %v", got)
	}
}

func alloc(t *testing.T, d op.Device, n int) op.Buffer {
	t.Helper()
	b, err := d.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return b
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
