package acceltest

import (
	"fmt"
	"time"

	"ringloom/nn/op"
)

// kernel is purego's, on the device's memory.
type kernel struct {
	op.Kernel
	device           *Device
	spec             op.Spec
	dstLens, srcLens []int
	dst, src         []op.Buffer // of the run at hand
}

// Compile prepares one operation.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	host, err := d.host.Compile(spec)
	if err != nil {
		return nil, err
	}
	k := &kernel{Kernel: host, device: d, spec: spec}
	k.dstLens, k.srcLens = op.Lens(spec)
	k.dst, k.src = make([]op.Buffer, len(k.dstLens)), make([]op.Buffer, len(k.srcLens))
	return k, nil
}

// Run queues it.
func (k *kernel) Run(dst, src []op.Buffer) error {
	if len(dst) != len(k.dst) || len(src) != len(k.src) {
		return fmt.Errorf("in-memory accelerator: %s takes %d and %d operands, not %d and %d", k.spec.Kind(), len(k.dst), len(k.src), len(dst), len(src))
	}
	c := k.device.queue.add(runKernel)
	c.device, c.kernel = k.device, k
	for i, b := range dst {
		m, err := k.device.at(b, k.dstLens[i], true)
		if err != nil {
			return k.device.queue.fail(fmt.Errorf("%s: dst[%d]: %w", k.spec.Kind(), i, err))
		}
		c.dst = append(c.dst, m)
	}
	for i, b := range src {
		m, err := k.device.at(b, k.srcLens[i], false)
		if err != nil {
			return k.device.queue.fail(fmt.Errorf("%s: src[%d]: %w", k.spec.Kind(), i, err))
		}
		c.src = append(c.src, m)
	}
	return nil
}

func runKernel(c *command) error {
	k, d := c.kernel, c.device
	for i, m := range c.dst {
		k.dst[i].Host = m
	}
	for i, m := range c.src {
		k.src[i].Host = m
	}
	begin := time.Now()
	err := k.Kernel.Run(k.dst, k.src)
	if d.traces {
		d.trace = append(d.trace, op.Traced{Spec: k.spec, Name: "purego " + k.spec.Kind(), Time: time.Since(begin)})
	}
	return err
}

// Trace runs run and what it has queued.
func (d *Device) Trace(run func() error) ([]op.Traced, error) {
	if err := d.queue.run(d.queue.added); err != nil {
		return nil, err
	}
	d.traces, d.trace = true, nil
	defer func() { d.traces = false }()
	if err := run(); err != nil {
		return nil, err
	}
	return d.trace, d.queue.run(d.queue.added)
}

// pass is steps that are queued one after another.
type pass struct {
	device *Device
	steps  []op.Step
}

// NewPasses keeps the steps.
func (d *Device) NewPasses(parts [][]op.Step) ([]op.Pass, error) {
	passes := make([]op.Pass, len(parts))
	for i, steps := range parts {
		passes[i] = &pass{d, steps}
	}
	return passes, d.usable()
}

func (p *pass) Run() error {
	for i := range p.steps {
		s := &p.steps[i]
		if err := s.Kernel.Run(s.Dst, s.Src); err != nil {
			return err
		}
	}
	return p.device.usable()
}
