//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"

	"ringloom/nn"
	"ringloom/nn/cuda/driver"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// convPass is one of the three computations of a convolution.
type convPass int

const (
	forwardPass convPass = iota
	dataPass
	weightsPass
)

// epilogue is what follows a forward convolution's sums.
type epilogue struct {
	bias, relu bool
	apart      bool // it cannot be done in one call with the convolution
}

// choice is how a convolution is computed: the fastest of what was tried.
type choice struct {
	conv      *libs.Conv
	algorithm libs.Algorithm
	fused     bool // bias and ReLU in one call with the convolution
}

func (c choice) workspaceBytes() int64 { return c.algorithm.WorkspaceBytes }

func (c choice) close() error { return c.conv.Close() }

// workspaceLimit bounds what a convolution may take beside its operands. Tests have less: the emulator fills it all.
var workspaceLimit int64 = 512 << 20

// choose tries the ways to compute a convolution once, on memory of no meaning, and remembers the fastest of those that
// give the same bits each time.
func (d *Device) choose(pass convPass, c nn.Conv, half bool, ep epilogue) (choice, error) {
	c.Dst.Pitch, c.NoBias = 0, false
	key := fmt.Sprint(pass, c, half, ep)
	if found, ok := d.choices[key]; ok {
		return found, nil
	}
	conv, err := d.dnn.NewConv(d.convShape(c, half))
	if err != nil {
		return choice{}, err
	}
	best, err := d.try(conv, pass, c, half, ep)
	if err != nil {
		return choice{}, errors.Join(err, conv.Close())
	}
	d.choices[key] = best
	return best, nil
}

// trial is memory for trying a convolution out.
type trial struct {
	device              *Device
	x, w, y, bias, work uintptr
	workBytes           int64
	blocks              []uintptr
}

func (t *trial) alloc(bytes int64) (uintptr, error) {
	p, err := t.device.ctx.Alloc(max(alignBytes, bytes))
	if err != nil {
		return 0, err
	}
	t.blocks = append(t.blocks, p)
	return p, t.device.compute.Fill(p, 0, max(alignBytes, bytes))
}

// newTrial allocates the operands, and as large a workspace as there is room for.
func (d *Device) newTrial(c nn.Conv, half bool) (t *trial, err error) {
	t = &trial{device: d}
	size := elementBytes(half)
	for _, in := range []struct {
		to    *uintptr
		bytes int64
	}{{&t.x, size * int64(c.Src.Len())}, {&t.w, size * int64(c.WeightLen())}, {&t.y, size * int64(c.Dst.Len())}, {&t.bias, float32Bytes * int64(c.Dst.C)}} {
		if *in.to, err = t.alloc(in.bytes); err != nil {
			return nil, errors.Join(fmt.Errorf("trying out a convolution: %w", err), t.close())
		}
	}
	for t.workBytes = workspaceLimit; ; t.workBytes /= 2 {
		if t.work, err = t.alloc(t.workBytes); err == nil {
			return t, nil
		}
		if t.workBytes < 1<<20 || !errors.Is(err, driver.ErrOutOfMemory) {
			return nil, errors.Join(fmt.Errorf("trying out a convolution: %w", err), t.close())
		}
	}
}

func (t *trial) close() error {
	err := t.device.compute.Synchronize()
	for _, p := range t.blocks {
		err = errors.Join(err, t.device.ctx.Free(p))
	}
	return err
}

// try finds the fastest way.
func (d *Device) try(conv *libs.Conv, pass convPass, c nn.Conv, half bool, ep epilogue) (best choice, err error) {
	t, err := d.newTrial(c, half)
	if err != nil {
		return best, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	var found []libs.Algorithm
	switch pass {
	case forwardPass:
		found, err = conv.FindForward(t.x, t.w, t.y, t.work, t.workBytes)
	case dataPass:
		found, err = conv.FindBackwardData(t.w, t.y, t.x, t.work, t.workBytes)
	case weightsPass:
		found, err = conv.FindBackwardWeights(t.x, t.y, t.w, t.work, t.workBytes)
	}
	if err != nil {
		return best, err
	}
	usable := steady(found)
	if len(usable) == 0 {
		return best, fmt.Errorf("cuDNN has no way to compute the convolution %v in %s of memory", c, size(t.workBytes))
	}
	best = choice{conv: conv, algorithm: usable[0]}
	if pass != forwardPass || !ep.bias || ep.apart || half {
		return best, nil
	}
	return d.tryFused(t, best, usable, c, ep)
}

// steady are the algorithms that give the same bits each time; all of them where there is no such one.
func steady(all []libs.Algorithm) (some []libs.Algorithm) {
	for _, a := range all {
		if a.Deterministic {
			some = append(some, a)
		}
	}
	if len(some) == 0 {
		return all
	}
	return some
}

// tryFused compares the fastest convolution with bias and ReLU behind it with those that do all in one.
func (d *Device) tryFused(t *trial, plain choice, usable []libs.Algorithm, c nn.Conv, ep epilogue) (choice, error) {
	const tried = 4
	best := plain
	least, err := d.measure(func() error {
		if err := plain.conv.Forward(plain.algorithm, t.x, t.w, t.y, t.work, plain.workspaceBytes(), 0); err != nil {
			return err
		}
		return d.launchNow("bias_act_f32", kernels.Channels(pixels(c.Dst), c.Dst.C, d.info.Multiprocessors),
			t.y, int32(c.Dst.C), t.y, t.bias, pixels(c.Dst), int32(c.Dst.C), flag(ep.relu))
	})
	if err != nil {
		return best, err
	}
	for _, a := range usable[:min(tried, len(usable))] {
		took, err := d.measure(func() error {
			return plain.conv.ForwardBias(a, t.x, t.w, t.bias, t.y, t.work, a.WorkspaceBytes, ep.relu)
		})
		var refused *libs.Error
		if errors.Is(err, libs.ErrNotSupported) || errors.As(err, &refused) { // not every algorithm can
			continue
		}
		if err != nil {
			return best, err
		}
		if took < least {
			least, best = took, choice{conv: plain.conv, algorithm: a, fused: true}
		}
	}
	return best, nil
}

// measure is the least time in milliseconds of a few runs, after one that is not counted.
func (d *Device) measure(run func() error) (float64, error) {
	const runs = 5
	least := 0.0
	for i := range runs + 1 {
		begin, err := d.Mark()
		if err == nil {
			err = run()
		}
		if err != nil {
			return 0, err
		}
		end, err := d.Mark()
		if err != nil {
			return 0, err
		}
		took, err := end.Since(begin)
		if err != nil {
			return 0, err
		}
		if ms := took.Seconds() * 1e3; i == 1 || i > 1 && ms < least {
			least = ms
		}
	}
	return least, nil
}
