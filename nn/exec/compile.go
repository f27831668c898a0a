package exec

import (
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// Compile builds the model at one batch size, differentiates it, fuses operations, compiles each and plans the memory.
func Compile(cfg Config) (*Program, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	l, err := cfg.listing()
	if err != nil {
		return nil, err
	}
	if err := cfg.Params.Match(l.Params); err != nil {
		return nil, err
	}
	p := &Program{
		params: cfg.Params, batch: cfg.Batch, side: cfg.Side, classes: l.Classes, training: cfg.Training,
		dropout: l.Dropout, device: cfg.Device, sync: cfg.SyncBatchNorm,
	}
	p.acc, _ = op.AsAccelerator(cfg.Device)
	half := p.acc != nil && p.acc.HalfActivations()
	if half {
		if err := l.markHalf(); err != nil {
			return nil, err
		}
	}
	if err := p.allocInput(half); err != nil {
		return nil, fmt.Errorf("allocating the program's input: %w", err)
	}
	all, offsets, total := l.plan()
	arena, err := p.allocArena(total)
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes for activations: %w", op.ElementBytes*total, err)
	}
	places := make(map[*memory]op.Buffer, len(all))
	for i, m := range all {
		places[m] = arena.Slice(offsets[i], m.length)
	}
	b := binder{p: p, l: l, params: cfg.Params, places: places}
	for _, i := range l.Instructions {
		kernel, err := cfg.Device.Compile(i.Spec)
		if err != nil {
			return nil, fmt.Errorf("compiling %s %v for %s: %w", i.Spec.Kind(), i.Spec, cfg.Device.Name(), err)
		}
		b.add(i, kernel)
	}
	p.logits, p.activations = b.buffer(l.Logits), total
	p.SetLossScale(1 / float32(p.batch))
	if p.acc != nil {
		err = p.prepareParts(cfg.Stops)
	}
	return p, err
}

// allocInput allocates what a step is given and what it reports, beside parameters and activations.
func (p *Program) allocInput(half bool) (err error) {
	if p.acc != nil {
		p.pixels, err = p.acc.AllocLocal(p.pixelLen(), half)
	} else {
		p.pixels, err = p.device.Alloc(p.pixelLen())
	}
	for _, in := range []struct {
		to     *op.Buffer
		length int
	}{{&p.labels, p.batch}, {&p.scale, 1}, {&p.key, 2}, {&p.stats, 2}} {
		if err == nil {
			*in.to, err = p.device.Alloc(in.length)
		}
	}
	return err
}

func (p *Program) allocArena(length int) (op.Buffer, error) {
	if p.acc != nil {
		return p.acc.AllocLocal(length, false)
	}
	return p.device.Alloc(length)
}

// binder turns instructions into a program's steps.
type binder struct {
	p      *Program
	l      *listing
	params *nn.Params
	places map[*memory]op.Buffer
}

// buffer is where a value lies.
func (b *binder) buffer(v *nn.Value) op.Buffer {
	whole := v.Root()
	var buf op.Buffer
	switch h := whole.Home; h.Kind {
	case nn.InArena:
		buf = b.places[b.l.memory[whole]]
		buf.Half = b.l.half[whole]
	case nn.InPixels:
		buf = b.p.pixels
	case nn.InLabels:
		buf = b.p.labels
	case nn.InScale:
		buf = b.p.scale
	case nn.InKey:
		buf = b.p.key
	case nn.InStats:
		buf = b.p.stats
	case nn.InParams:
		buf = b.params.Value(h.Index)
	case nn.InGrads:
		buf = b.params.Grad(h.Index)
	case nn.InState:
		buf = b.params.StateValues.Slice(b.params.State[h.Index].Offset, v.Len)
	}
	if v.Of != nil {
		return buf.Slice(v.At, v.Len)
	}
	// Values of one shape family share memory of exactly their length; the logits may be images.
	return buf.Slice(0, v.Len)
}

func (b *binder) add(i *nn.Instruction, kernel op.Kernel) {
	p := b.p
	s := step{Step: op.Step{Spec: i.Spec, Kernel: kernel}, sync: i.Sync}
	if p.sync == nil {
		s.sync = -1
	}
	_, s.moments = i.Spec.(op.BatchNormMoments)
	s.ready = i.Finishes()
	for _, v := range i.Dst {
		s.Dst = append(s.Dst, b.buffer(v))
	}
	for _, v := range i.Src {
		s.Src = append(s.Src, b.buffer(v))
	}
	if i.Backward {
		p.backward, p.backwardFLOPs = append(p.backward, s), p.backwardFLOPs+op.FLOPs(i.Spec)
	} else {
		p.forward, p.forwardFLOPs = append(p.forward, s), p.forwardFLOPs+op.FLOPs(i.Spec)
	}
}
