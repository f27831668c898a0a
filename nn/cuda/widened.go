//go:build gpu && cgo

package cuda

import "fmt"

// widened is a way to compute with bfloat16 what cuDNN has no algorithm for, such as some convolutions of a single channel:
// in float32, on copies of the operands.
type widened struct {
	device     *Device
	inner      way // of the same task in float32; the device's choices own it
	accumulate bool
	lens       [3]int // elements of both operands and of the result
}

// widen is the way for a task that cuDNN cannot do with bfloat16.
func (d *Device) widen(task convTask) (way, error) {
	wide := task
	wide.half, wide.after = false, epilogue{}
	inner, err := d.choose(wide)
	if err != nil {
		return nil, err
	}
	return widened{d, inner, task.accumulate, task.lens()}, nil
}

// room is the memory of a copy.
func (w widened) room(i int) int64 {
	return (float32Bytes*int64(w.lens[i]) + alignBytes - 1) / alignBytes * alignBytes
}

func (w widened) workspaceBytes() int64 {
	return w.room(0) + w.room(1) + w.room(2) + w.inner.workspaceBytes()
}

func (w widened) run(at addresses) error {
	in := addresses{in1: at.workspace}
	in.in2 = in.in1 + uintptr(w.room(0))
	in.out = in.in2 + uintptr(w.room(1))
	in.workspace = in.out + uintptr(w.room(2))
	copies := []struct {
		to, from uintptr
		len      int
	}{{in.in1, at.in1, w.lens[0]}, {in.in2, at.in2, w.lens[1]}, {in.out, at.out, w.lens[2]}}
	if !w.accumulate {
		copies = copies[:2]
	}
	for _, c := range copies {
		if err := w.device.launchNow("uncast_bf16", w.device.elementwise(c.len), c.to, c.from, int64(c.len)); err != nil {
			return err
		}
	}
	if err := w.inner.run(in); err != nil {
		return err
	}
	n := w.lens[2]
	return w.device.launchNow("cast_bf16", w.device.elementwise(n), at.out, in.out, int64(n))
}

func (w widened) fuses() bool    { return false }
func (w widened) close() error   { return nil }
func (w widened) String() string { return fmt.Sprintf("%v in float32", w.inner) }
