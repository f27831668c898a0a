//go:build gpu && cgo

package cuda

import (
	"math"
	"slices"

	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

// How much of a result is compared: runs of elements that lie evenly from its beginning to its end.
const (
	sampledRuns = 8
	sampledRun  = 64
	samples     = sampledRuns * sampledRun
)

// convArgs mirrors struct convolution of the kernels.
type convArgs struct{ n, h, w, c, oh, ow, oc, kh, kw, sh, sw, ph, pw int32 }

func convArgsOf(c op.Conv) convArgs {
	return convArgs{
		int32(c.Src.N), int32(c.Src.H), int32(c.Src.W), int32(c.Src.C), int32(c.Dst.H), int32(c.Dst.W), int32(c.Dst.C),
		int32(c.KernelH), int32(c.KernelW), int32(c.StrideH), int32(c.StrideW), int32(c.PadH), int32(c.PadW),
	}
}

// expect computes samples of the result from the definition of a convolution. An algorithm is believed because its
// samples are these: that a library was told of a convolution does not show that it computes it.
func (t *trial) expect() error {
	if err := t.restore(); err != nil {
		return err
	}
	var x, w, y, old, bias uintptr
	switch t.task.pass {
	case libs.PassForward:
		x, w = t.at.in1, t.at.in2
	case libs.PassBackwardData:
		w, y = t.at.in1, t.at.in2
	default:
		x, y = t.at.in1, t.at.in2
	}
	if t.task.accumulate {
		old = t.at.out
	}
	if t.task.after.bias {
		bias = t.at.bias
	}
	count := min(samples, t.outLen)
	dst, err := t.alloc(float32Bytes * int64(count))
	if err != nil {
		return err
	}
	err = t.device.launchNow("conv_samples"+suffix(t.task.half), kernels.Samples(count), dst, x, w, y, old, bias,
		flag(t.task.after.relu), convArgsOf(t.task.conv), int32(sampledRun), int64(t.outLen))
	if err != nil {
		return err
	}
	t.want = make([]float32, count)
	return t.device.Get(t.want, op.Buffer{Device: dst})
}

// restore makes the result what it is before an algorithm runs: numbers to add to, or else what shows that it leaves
// something out.
func (t *trial) restore() error {
	const nan = 0xff // in every byte
	if t.task.accumulate {
		return t.scatter(t.at.out, t.outLen, 2)
	}
	return t.device.compute.Fill(t.at.out, nan, elementBytes(t.task.half)*int64(t.outLen))
}

// verify takes an algorithm and says whether it, with what has to follow it, computes what is expected.
func (t *trial) verify(a algorithm) (bool, error) {
	if err := t.restore(); err != nil {
		return false, err
	}
	if err := t.take(a); err != nil {
		return false, err
	}
	if err := t.run(); err != nil {
		return false, err
	}
	got := make([]float32, len(t.want))
	out := op.Buffer{Device: t.at.out, Half: t.task.half}
	if t.outLen <= samples {
		if err := t.device.Get(got, out); err != nil {
			return false, err
		}
	} else {
		for i := range sampledRuns {
			from := i * (t.outLen - sampledRun) / (sampledRuns - 1)
			if err := t.device.Get(got[i*sampledRun:(i+1)*sampledRun], out.Slice(from, sampledRun)); err != nil {
				return false, err
			}
		}
	}
	if !agree(got, t.want, t.tolerance()) {
		return false, nil
	}
	if !a.fuses() || !t.task.after.relu {
		return true, nil
	}
	return t.keepsNaN()
}

// keepsNaN runs what was taken with weights of NaN, and says whether all results are NaN: an engine that is asked for
// a ReLU that keeps it may have none, and a training that diverges would go on with zeros.
func (t *trial) keepsNaN() (bool, error) {
	const nan = 0xff // in every byte
	n := t.task.conv.WeightLen()
	if err := t.device.compute.Fill(t.at.in2, nan, elementBytes(t.task.half)*int64(n)); err != nil {
		return false, err
	}
	if err := t.run(); err != nil {
		return false, err
	}
	got := make([]float32, min(sampledRun, t.outLen))
	if err := t.device.Get(got, op.Buffer{Device: t.at.out, Half: t.task.half}.Slice(0, len(got))); err != nil {
		return false, err
	}
	all := !slices.ContainsFunc(got, func(v float32) bool { return v == v })
	return all, t.scatter(t.at.in2, n, 1)
}

// tolerance is how far an element may be off, as a part of the elements' root mean square. Sums have terms of either
// sign, so that sums of other terms than those that are meant are about 1 off; a few terms that are missing among
// thousands show in float32 alone.
func (t *trial) tolerance() float64 {
	switch {
	case t.task.half:
		return 5e-2
	case t.device.math() == libs.TF32:
		return 1e-2
	}
	return 1e-3
}

// agree says whether two results are the same but for rounding. NaN agrees with nothing.
func agree(got, want []float32, tolerance float64) bool {
	var squares, worst float64
	for i, w := range want {
		squares += float64(w) * float64(w)
		diff := math.Abs(float64(got[i]) - float64(w))
		if !(diff <= math.MaxFloat64) {
			return false
		}
		worst = max(worst, diff)
	}
	return worst <= tolerance*math.Sqrt(squares/float64(len(want)))
}
