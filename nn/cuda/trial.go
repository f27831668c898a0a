//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"

	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

// workspaceLimit bounds what a convolution may take beside its operands. Tests have less: the emulator fills it all.
var workspaceLimit int64 = 512 << 20

// trial is memory for trying a convolution out.
type trial struct {
	device    *Device
	task      convTask
	at        addresses
	outLen    int       // elements of the result
	want      []float32 // samples of it
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

// workspaceRoom is how much an algorithm may take: not all that is free, for other ranks may try convolutions on the
// same card.
func (d *Device) workspaceRoom(used int64) (int64, error) {
	free, _, err := d.ctx.MemInfo()
	if limit := d.opts.MemoryLimit; limit > 0 {
		free = min(free, limit-d.memory.used-used)
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
	if err := t.fillBias(c.Dst.C); err != nil {
		return err
	}
	if t.workBytes, err = t.device.workspaceRoom(t.bytes); err != nil {
		return err
	}
	t.at.workspace, err = t.alloc(t.workBytes)
	return err
}

// fillBias makes the bias, which is float32 with bfloat16 activations too.
func (t *trial) fillBias(n int) (err error) {
	if t.at.bias, err = t.alloc(float32Bytes * int64(n)); err != nil {
		return err
	}
	return t.scatterAs(t.at.bias, n, 3, false)
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

// Operands are of two values, about -0.023 and 0.023, as float32 and as bfloat16. A convolution of zeros, or of numbers
// that are all the same, could be wrong unseen.
const (
	valueByte = 0x3c // 0.0115 where all bytes are this one
	shiftByte = 0xbc // -0.023
)

// scatter fills n elements with one of the two values each, as if by chance: 0 or 4 * 0.0115, and from that 0.023.
func (t *trial) scatter(p uintptr, n int, seed uint32) error {
	return t.scatterAs(p, n, seed, t.task.half)
}

func (t *trial) scatterAs(p uintptr, n int, seed uint32, half bool) error {
	d, kind := t.device, suffix(half)
	if err := d.compute.Fill(p, valueByte, elementBytes(half)*int64(n)); err != nil {
		return err
	}
	if err := d.launchNow("dropout"+kind, d.elementwise(n), p, p, t.key, uintptr(0), int64(n), float32(4), op.DropoutThreshold(0.5), seed); err != nil {
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
