//go:build onednn && cgo

package onednn

import (
	"runtime"
	"testing"

	"ringloom/nn/op"
)

// lenetStep are the operations of one training step of LeNet, forward then backward, as nn's graph orders them.
func lenetStep(batch int) []op.Spec {
	conv1 := op.Conv{Src: op.Image{N: batch, H: 28, W: 28, C: 1}, Dst: op.Image{N: batch, H: 28, W: 28, C: 6},
		KernelH: 5, KernelW: 5, StrideH: 1, StrideW: 1, PadH: 2, PadW: 2}
	conv2 := op.Conv{Src: op.Image{N: batch, H: 14, W: 14, C: 6}, Dst: op.Image{N: batch, H: 10, W: 10, C: 16},
		KernelH: 5, KernelW: 5, StrideH: 1, StrideW: 1}
	halved := func(src op.Image) op.Pool {
		return op.Pool{Src: src, Dst: op.Image{N: src.N, H: src.H / 2, W: src.W / 2, C: src.C},
			KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	}
	pool1, pool2 := halved(conv1.Dst), halved(conv2.Dst)
	fc1 := op.Linear{Src: pool2.Dst, Out: 120}
	fc2 := op.Linear{Src: op.Image{N: batch, H: 1, W: 1, C: 120}, Out: 84}
	fc3 := op.Linear{Src: op.Image{N: batch, H: 1, W: 1, C: 84}, Out: 10}
	return []op.Spec{
		op.ConvForward{Conv: conv1}, op.SigmoidForward{Len: conv1.Dst.Len()}, op.AvgPoolForward{Pool: pool1},
		op.ConvForward{Conv: conv2}, op.SigmoidForward{Len: conv2.Dst.Len()}, op.AvgPoolForward{Pool: pool2},
		op.LinearForward{Linear: fc1}, op.SigmoidForward{Len: batch * fc1.Out},
		op.LinearForward{Linear: fc2}, op.SigmoidForward{Len: batch * fc2.Out},
		op.LinearForward{Linear: fc3}, op.SoftmaxCrossEntropyForward{N: batch, C: fc3.Out},
		op.LinearBackwardWeights{Linear: fc3}, op.LinearBackwardData{Linear: fc3},
		op.SigmoidBackward{Len: batch * fc2.Out}, op.LinearBackwardWeights{Linear: fc2}, op.LinearBackwardData{Linear: fc2},
		op.SigmoidBackward{Len: batch * fc1.Out}, op.LinearBackwardWeights{Linear: fc1}, op.LinearBackwardData{Linear: fc1},
		op.AvgPoolBackward{Pool: pool2}, op.SigmoidBackward{Len: conv2.Dst.Len()},
		op.ConvBackwardWeights{Conv: conv2}, op.ConvBackwardData{Conv: conv2},
		op.AvgPoolBackward{Pool: pool1}, op.SigmoidBackward{Len: conv1.Dst.Len()},
		op.ConvBackwardWeights{Conv: conv1},
	}
}

// bound is a kernel with its operands.
type bound struct {
	*kernel
	dst, src []op.Buffer
}

func (b bound) run(t testing.TB) {
	if err := b.Run(b.dst, b.src); err != nil {
		t.Fatal(err)
	}
}

// bind compiles an operation by an algorithm and gives it operands of its own.
func bind(t testing.TB, d *Device, spec op.Spec, a algorithm) bound {
	k, err := d.compile(spec, a)
	if err != nil {
		t.Fatal(err)
	}
	b := bound{kernel: k}
	for _, n := range k.dst {
		b.dst = append(b.dst, alloc(t, d, n, 0))
	}
	for i, n := range k.src {
		b.src = append(b.src, alloc(t, d, n, uint32(i+1)))
	}
	if s, ok := spec.(op.SoftmaxCrossEntropyForward); ok {
		for i := range b.src[1].Host {
			b.src[1].Host[i] = float32(i % s.C)
		}
	}
	return b
}

// alloc returns n elements: zeros for seed 0, else uniform in [-1, 1) from a linear congruential generator.
func alloc(t testing.TB, d *Device, n int, seed uint32) op.Buffer {
	b, err := d.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	if seed != 0 {
		for i, x := 0, seed; i < n; i++ {
			x = x*1664525 + 1013904223
			b.Host[i] = float32(x>>8)/(1<<23) - 1
		}
	}
	return b
}

// openLocked opens a device for the test and locks its thread.
func openLocked(t testing.TB, threads int) *Device {
	runtime.LockOSThread()
	d, err := open(Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return d
}

func TestLenetAvoidsReferenceKernels(t *testing.T) {
	d := openLocked(t, 1)
	for _, spec := range lenetStep(256) {
		k, err := d.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		impl := k.(*kernel).impl()
		t.Logf("%-10s %-60v %s", spec.Kind(), spec, impl)
		if len(impl) >= 3 && impl[:3] == "ref" {
			t.Errorf("%s %v runs oneDNN's reference kernel %s", spec.Kind(), spec, impl)
		}
	}
}
