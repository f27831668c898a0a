//go:build onednn && cgo

package onednn

import (
	"math"
	"slices"
	"testing"

	"ringloom/nn/op"
)

// ownShapes are shapes that the kernels written here take, beyond LeNet's: odd heights, several blocks of a row, other
// kernel heights, every number of channels.
func ownShapes() []op.Spec {
	var all []op.Spec
	for _, c := range []op.Conv{
		convOf(op.Image{N: 3, H: 28, W: 28, C: 1}, 6, 5, 5, 2),
		convOf(op.Image{N: 2, H: 9, W: 40, C: 1}, 6, 3, 5, 1),
		convOf(op.Image{N: 1, H: 12, W: 69, C: 1}, 6, 5, 5, 0),
		convOf(op.Image{N: 5, H: 4, W: 5, C: 1}, 6, 1, 5, 0),
		convOf(op.Image{N: 2, H: 8, W: 36, C: 1}, 6, 7, 5, 3),
		convOf(op.Image{N: 3, H: 14, W: 14, C: 6}, 16, 5, 5, 0),
		convOf(op.Image{N: 2, H: 9, W: 24, C: 6}, 16, 3, 5, 0),
		convOf(op.Image{N: 2, H: 2, W: 34, C: 6}, 16, 1, 5, 0),
	} {
		all = append(all, op.ConvForward{Conv: c}, op.ConvBackwardWeights{Conv: c}, op.ConvBackwardData{Conv: c})
	}
	for channels := 1; channels <= 16; channels++ {
		for _, w := range []int{1, 5, 14} {
			p := op.Pool{Src: op.Image{N: 2, H: 6, W: 2 * w, C: channels}, Dst: op.Image{N: 2, H: 3, W: w, C: channels},
				KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
			all = append(all, op.AvgPoolForward{Pool: p}, op.AvgPoolBackward{Pool: p})
		}
	}
	return all
}

// The conformance suite compares what Compile chooses with the reference device; here every algorithm for the same
// thing is compared with oneDNN's, on one thread and on three.
func TestAlgorithmsAgree(t *testing.T) {
	one := openLocked(t, 1)
	for _, threads := range []int{1, 3} {
		d := openLocked(t, threads)
		for _, spec := range ownShapes() {
			want := bind(t, one, spec, direct)
			want.run(t)
			for _, a := range d.candidates(spec) {
				if slices.Contains(gemmCandidates(spec), a) {
					continue // TestGEMMConvolutions compares them, with bounds of their own
				}
				got := bind(t, d, spec, a)
				for i := range got.dst {
					fill(got.dst[i].Host, float32(math.NaN()))
				}
				got.run(t)
				for i := range got.dst {
					if diff := difference(got.dst[i].Host, want.dst[i].Host); !(diff <= 1e-5) {
						t.Errorf("%s %v, %d threads: dst[%d] by %v (%s) differs from %s by %g of the largest element",
							spec.Kind(), spec, threads, i, a, got.impl(), want.impl(), diff)
					}
				}
			}
		}
	}
}

func TestThreadsGiveTheSameBitsEachTime(t *testing.T) {
	d := openLocked(t, 3)
	for _, spec := range lenetStep(7) { // 7: no multiple of the threads
		k := bind(t, d, spec, d.choose(spec))
		k.run(t)
		var first [][]float32
		for _, b := range k.dst {
			first = append(first, slices.Clone(b.Host))
		}
		for range 5 {
			k.run(t)
			for i, b := range k.dst {
				if !slices.Equal(first[i], b.Host) {
					t.Fatalf("%s %v: dst[%d] differs from run to run", spec.Kind(), spec, i)
				}
			}
		}
	}
}

// Kernels must not write past their operands, nor read past them: NaNs on both sides must survive and not spread.
func TestOperandsEnds(t *testing.T) {
	d := openLocked(t, 1)
	const guard = 64
	nan := float32(math.NaN())
	for _, spec := range append(ownShapes(), lenetStep(3)...) {
		k := bind(t, d, spec, d.choose(spec))
		var around [][]float32
		fence := func(b op.Buffer) op.Buffer {
			all := alloc(t, d, len(b.Host)+2*guard, 0).Host
			fill(all, nan)
			copy(all[guard:], b.Host)
			around = append(around, all[:guard], all[guard+len(b.Host):])
			return op.Buffer{Host: all[guard : guard+len(b.Host) : guard+len(b.Host)]}
		}
		k.run(t)
		fenced := bound{kernel: k.kernel}
		for _, b := range k.dst {
			fenced.dst = append(fenced.dst, fence(b))
		}
		for _, b := range k.src {
			fenced.src = append(fenced.src, fence(b))
		}
		fenced.run(t)
		for i := range k.dst {
			if !slices.Equal(k.dst[i].Host, fenced.dst[i].Host) {
				t.Errorf("%s %v (%s): dst[%d] depends on what lies beside the operands", spec.Kind(), spec, k.impl(), i)
			}
		}
		for _, g := range around {
			if slices.ContainsFunc(g, func(v float32) bool { return v == v }) {
				t.Errorf("%s %v (%s): wrote beside an operand", spec.Kind(), spec, k.impl())
			}
		}
	}
}

func TestSigmoidInPlace(t *testing.T) {
	d := openLocked(t, 1)
	for _, spec := range []op.Spec{op.SigmoidForward{Len: 1000}, op.SigmoidBackward{Len: 1000}} {
		k := bind(t, d, spec, direct)
		k.run(t)
		if err := k.Run(k.src[:1], k.src); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(k.src[0].Host, k.dst[0].Host) {
			t.Errorf("%s in place differs", spec.Kind())
		}
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// difference is the largest difference relative to the largest element of want.
func difference(got, want []float32) float64 {
	worst, scale := 0.0, 1e-30
	for i := range want {
		scale = max(scale, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i])-float64(want[i]))) // max keeps a NaN
	}
	return worst / scale
}
