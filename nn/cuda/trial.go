//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"math"

	"ringloom/nn"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// workspaceLimit bounds what a convolution may take beside its operands. Tests have less: the emulator fills it all.
var workspaceLimit int64 = 512 << 20

// trial is memory for trying a convolution out.
type trial struct {
	device    *Device
	task      convTask
	at        addresses
	outLen    int // elements of the result
	workBytes int64
	key       uintptr // of dropout
	shift     uintptr // a float32
	blocks    []uintptr
	bytes     int64 // of blocks
}

func (t *trial) alloc(bytes int64) (uintptr, error) {
	bytes = max(alignBytes, bytes)
	if err := t.device.memory.allows(t.device, t.bytes+bytes); err != nil {
		return 0, err
	}
	p, err := t.device.ctx.Alloc(bytes)
	if err != nil {
		return 0, t.device.memory.explain(t.device, bytes, err)
	}
	t.blocks, t.bytes = append(t.blocks, p), t.bytes+bytes
	return p, t.device.compute.Fill(p, 0, bytes)
}

// enlarge makes the workspace at least as large as that.
func (t *trial) enlarge(bytes int64) (err error) {
	if bytes > t.workBytes {
		t.at.workspace, err = t.alloc(bytes)
		t.workBytes = bytes
	}
	return err
}

// workspace is how much a way may take: not all that is free, for other ranks may try convolutions on the same card.
func (t *trial) workspace() (int64, error) {
	free, _, err := t.device.ctx.MemInfo()
	if limit := t.device.opts.MemoryLimit; limit > 0 {
		free = min(free, limit-t.device.memory.used-t.bytes)
	}
	return max(1<<20, min(workspaceLimit, free/4)), err
}

// newTrial makes the operands, and as large a workspace as there is room for.
func (d *Device) newTrial(task convTask) (*trial, error) {
	t := &trial{device: d, task: task}
	if err := t.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("trying out a convolution: %w", err), t.close())
	}
	return t, nil
}

func (t *trial) fill() (err error) {
	if t.key, err = t.alloc(alignBytes); err != nil {
		return err
	}
	if t.shift, err = t.alloc(float32Bytes); err != nil {
		return err
	}
	if err := t.device.compute.Fill(t.shift, shiftByte, float32Bytes); err != nil {
		return err
	}
	c, lens := t.task.conv, t.task.lens()
	for i, to := range []*uintptr{&t.at.in1, &t.at.in2, &t.at.out} {
		if *to, err = t.alloc(elementBytes(t.task.half) * int64(lens[i])); err != nil {
			return err
		}
		if i < 2 {
			if err := t.scatter(*to, lens[i], uint32(i)); err != nil {
				return err
			}
		}
	}
	t.outLen = lens[2]
	if t.at.bias, err = t.alloc(float32Bytes * int64(c.Dst.C)); err != nil {
		return err
	}
	if t.workBytes, err = t.workspace(); err != nil {
		return err
	}
	t.at.workspace, err = t.alloc(t.workBytes)
	return err
}

// lens are the elements of both operands, in the order of libs.Pass, and of the result.
func (c convTask) lens() [3]int {
	x, w, y := c.conv.Src.Len(), c.conv.WeightLen(), c.conv.Dst.Len()
	switch c.pass {
	case libs.PassForward:
		return [3]int{x, w, y}
	case libs.PassBackwardData:
		return [3]int{w, y, x}
	default:
		return [3]int{x, y, w}
	}
}

// Operands are of two values, about -0.023 and 0.023, as float32 and as bfloat16. A convolution of zeros, or of numbers that are all
// the same, could be wrong unseen.
const (
	valueByte = 0x3c // 0.0115 where all bytes are this one
	shiftByte = 0xbc // -0.023
)

// scatter fills n elements with one of the two values each, as if by chance: 0 or 4 * 0.0115, and from that 0.023.
func (t *trial) scatter(p uintptr, n int, seed uint32) error {
	d, kind := t.device, suffix(t.task.half)
	if err := d.compute.Fill(p, valueByte, elementBytes(t.task.half)*int64(n)); err != nil {
		return err
	}
	if err := d.launchNow("dropout"+kind, d.elementwise(n), p, p, t.key, uintptr(0), int64(n), float32(4), nn.DropoutThreshold(0.5), seed); err != nil {
		return err
	}
	return d.launchNow("bias_act"+kind, kernels.Channels(int64(n), 1, d.info.Multiprocessors), p, int32(1), p, t.shift, int64(n), int32(1), int32(0))
}

func (t *trial) close() error {
	err := t.device.compute.Synchronize()
	for _, p := range t.blocks {
		err = errors.Join(err, t.device.ctx.Free(p))
	}
	return err
}

// find are cuDNN's algorithms for the task, the fastest first.
func (t *trial) find(conv *libs.Conv) ([]libs.Algorithm, error) {
	find := map[libs.Pass]func(in1, in2, out, workspace uintptr, workspaceBytes int64) ([]libs.Algorithm, error){
		libs.PassForward: conv.FindForward, libs.PassBackwardData: conv.FindBackwardData, libs.PassBackwardWeights: conv.FindBackwardWeights,
	}[t.task.pass]
	return find(t.at.in1, t.at.in2, t.at.out, t.at.workspace, t.workBytes)
}

// agreeing are the plans whose results are those of an algorithm. cuDNN's legacy interface has proved itself; that a plan was built of
// what this program says of a convolution does not show that it computes it.
func (t *trial) agreeing(reference way, plans []*libs.Plan) (right []*libs.Plan, err error) {
	if len(plans) == 0 {
		return nil, nil
	}
	want, err := t.result(reference)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		got, err := t.result(plan{p})
		if refused(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if agree(got, want, t.tolerance()) {
			right = append(right, p)
		}
	}
	return right, nil
}

// How much of a result is compared: ranges that lie evenly from its beginning to its end.
const (
	sampledRanges = 8
	sampledLen    = 256
)

// result runs a way onto memory that shows what it leaves out, and reads samples of what is there then.
func (t *trial) result(w way) ([]float32, error) {
	const nan = 0xff // in every byte
	if err := t.device.compute.Fill(t.at.out, nan, elementBytes(t.task.half)*int64(t.outLen)); err != nil {
		return nil, err
	}
	if t.task.accumulate {
		if err := t.scatter(t.at.out, t.outLen, 2); err != nil {
			return nil, err
		}
	}
	if err := w.run(t.at); err != nil {
		return nil, err
	}
	out := nn.Buffer{Device: t.at.out, Half: t.task.half}
	if t.outLen <= sampledRanges*sampledLen {
		all := make([]float32, t.outLen)
		return all, t.device.Get(all, out)
	}
	samples := make([]float32, sampledRanges*sampledLen)
	for i := range sampledRanges {
		from := i * (t.outLen - sampledLen) / (sampledRanges - 1)
		if err := t.device.Get(samples[i*sampledLen:(i+1)*sampledLen], out.Slice(from, sampledLen)); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// tolerance is how far two ways may be apart in an element, as a part of the elements' root mean square. Sums have terms of either
// sign, so that sums of other terms than those that are meant are about 1 apart; a few terms that are missing among thousands show
// in float32 alone.
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
