package nn

import (
	"errors"
	"fmt"
	"slices"
)

// ProgramConfig says what Compile makes.
type ProgramConfig struct {
	// Device compiles the operations and owns the memory.
	Device Device
	// Params are the parameters of the same model on the same device; several programs may share them.
	Params *Params
	// Batch is the number of images, and Side their height and width.
	Batch, Side int
	// Build is the model.
	Build BuildFunc
	// Training adds the backward pass, and makes batch norm and dropout work as in training. Without it a program needs
	// less memory and Backward returns ErrOrder.
	Training bool
	// NoDropout leaves dropout out of training, for comparisons with other engines.
	NoDropout bool
	// Smoothing is the label smoothing of the loss, 0 <= Smoothing < 1; 0 is the plain cross-entropy.
	Smoothing float32
	// SyncBatchNorm averages batch norm's moments over ranks, in place: it is called in the middle of a pass, on the
	// thread that runs it, a number of times that depends on the model alone. values are means over this rank's samples;
	// it makes them means over all ranks' samples. nil keeps each rank's own, as PyTorch's BatchNorm2d does.
	SyncBatchNorm func(values []float32) error
	// SyncBatch is the number of images on all ranks that share moments, this rank's included; 0 without SyncBatchNorm.
	SyncBatch int
	// Stops are parameters that Backward's ready should be told of at once. An Accelerator runs what lies between two of
	// them as one, and tells of the others when it comes to the next of these, or to the end.
	Stops []int
	// Unfused leaves every operation on its own. For tests: the numbers are the same but for rounding.
	Unfused bool
}

// Validate says what is missing.
func (c ProgramConfig) Validate() error {
	var missing []error
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"Device", c.Device == nil}, {"Params", c.Params == nil}, {"Build", c.Build == nil},
		{"Batch of at least 1", c.Batch < 1}, {"Side of at least 1", c.Side < 1},
	} {
		if f.bad {
			missing = append(missing, fmt.Errorf("a program needs a %s", f.name))
		}
	}
	return errors.Join(missing...)
}

// listing is the step that the configuration asks for, fused.
func (c ProgramConfig) listing() (*network, *listing, error) {
	net, err := newNetwork(c)
	if err != nil {
		return nil, nil, err
	}
	if c.Training {
		if err := net.differentiate(); err != nil {
			return nil, nil, err
		}
	}
	l, err := lower(net)
	if err != nil {
		return nil, nil, err
	}
	if !c.Unfused {
		_, accelerated := c.Device.(Accelerator)
		l.fuse(accelerated)
	}
	for _, i := range l.instrs {
		if s, ok := i.spec.(BatchNormForward); ok && c.SyncBatch > 0 {
			s.Count = s.Count / c.Batch * c.SyncBatch
			i.spec = s
		}
	}
	return net, l, nil
}

// Compile builds the model at one batch size, differentiates it, fuses operations, compiles each and plans the memory.
func Compile(cfg ProgramConfig) (*Program, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	net, l, err := cfg.listing()
	if err != nil {
		return nil, err
	}
	if err := cfg.Params.match(net.params); err != nil {
		return nil, err
	}
	p := &Program{
		params: cfg.Params, batch: cfg.Batch, side: cfg.Side, classes: net.classes, training: cfg.Training, net: net,
		device: cfg.Device, sync: cfg.SyncBatchNorm,
	}
	p.acc, _ = cfg.Device.(Accelerator)
	half := p.acc != nil && p.acc.HalfActivations()
	if half {
		if err := l.halve(); err != nil {
			return nil, err
		}
	}
	if p.acc != nil {
		p.pixels, err = p.acc.AllocLocal(p.pixelLen(), half)
	} else {
		p.pixels, err = cfg.Device.Alloc(p.pixelLen())
	}
	for _, in := range []struct {
		to     *Buffer
		length int
	}{{&p.labels, cfg.Batch}, {&p.scale, 1}, {&p.key, 2}, {&p.stats, 2}} {
		if err == nil {
			*in.to, err = cfg.Device.Alloc(in.length)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("allocating the program's input: %w", err)
	}
	all, offsets, total := l.plan()
	arena, err := p.allocArena(total)
	if err != nil {
		return nil, fmt.Errorf("allocating %d bytes for activations: %w", elementBytes*total, err)
	}
	places := make(map[*memory]Buffer, len(all))
	for i, m := range all {
		places[m] = arena.Slice(offsets[i], m.length)
	}
	b := binder{p: p, params: cfg.Params, places: places}
	for _, i := range l.instrs {
		kernel, err := cfg.Device.Compile(i.spec)
		if err != nil {
			return nil, fmt.Errorf("compiling %s %v for %s: %w", Kind(i.spec), i.spec, cfg.Device.Name(), err)
		}
		b.add(i, kernel)
	}
	p.logits, p.activations = b.buffer(l.logits), total
	p.SetLossScale(1 / float32(p.batch))
	if p.acc != nil {
		err = p.prepareParts(cfg.Stops)
	}
	return p, err
}

func (p *Program) allocArena(length int) (Buffer, error) {
	if p.acc != nil {
		return p.acc.AllocLocal(length, false)
	}
	return p.device.Alloc(length)
}

// binder turns instructions into a program's steps.
type binder struct {
	p      *Program
	params *Params
	places map[*memory]Buffer
}

// buffer is where a value lies.
func (b *binder) buffer(v *value) Buffer {
	whole := root(v)
	var buf Buffer
	switch h := whole.home; h.kind {
	case inArena:
		buf = b.places[whole.mem]
		buf.Half = whole.half
	case inPixels:
		buf = b.p.pixels
	case inLabels:
		buf = b.p.labels
	case inScale:
		buf = b.p.scale
	case inKey:
		buf = b.p.key
	case inStats:
		buf = b.p.stats
	case inParams:
		buf = b.params.Value(h.index)
	case inGrads:
		buf = b.params.Grad(h.index)
	case inState:
		buf = b.params.StateValues.Slice(b.params.State[h.index].Offset, v.length)
	}
	if v.of != nil {
		return buf.Slice(v.at, v.length)
	}
	// Values of one shape family share memory of exactly their length; the logits may be images.
	return buf.Slice(0, v.length)
}

func (b *binder) add(i *instr, kernel Kernel) {
	p := b.p
	s := step{Step: Step{Spec: i.spec, Kernel: kernel}, kind: p.kind(i.spec), sync: i.sync}
	if p.sync == nil {
		s.sync = -1
	}
	_, s.moments = i.spec.(BatchNormMoments)
	s.ready = i.finishes()
	for _, v := range i.dst {
		s.Dst = append(s.Dst, b.buffer(v))
	}
	for _, v := range i.src {
		s.Src = append(s.Src, b.buffer(v))
	}
	if i.backward {
		p.backward, p.backwardFLOPs = append(p.backward, s), p.backwardFLOPs+FLOPs(i.spec)
	} else {
		p.forward, p.forwardFLOPs = append(p.forward, s), p.forwardFLOPs+FLOPs(i.spec)
	}
}

// kind is the index of the spec's kind in the profile.
func (p *Program) kind(spec Spec) int {
	k := Kind(spec)
	if i := slices.IndexFunc(p.profile, func(t KindTime) bool { return t.Kind == k }); i >= 0 {
		return i
	}
	p.profile = append(p.profile, KindTime{Kind: k})
	return len(p.profile) - 1
}

// GradientOrder are the parameters in the order in which Backward of what Compile makes finishes their gradients.
func (c ProgramConfig) GradientOrder() ([]int, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Training = true
	_, l, err := c.listing()
	if err != nil {
		return nil, err
	}
	var order []int
	for _, i := range l.instrs {
		order = append(order, i.finishes()...)
	}
	return order, nil
}

// finishes are the parameters whose gradients an operation writes, the later one first.
func (i *instr) finishes() []int {
	var params []int
	for _, v := range i.dst {
		if v.home.kind == inGrads {
			params = slices.Insert(params, 0, v.home.index)
		}
	}
	return params
}
