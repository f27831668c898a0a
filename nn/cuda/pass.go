//go:build gpu && cgo

package cuda

import (
	"fmt"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/op"
)

// pass is a part of a program. Its first run is as it stands, which lets the libraries load what they need; the second
// is recorded as a CUDA graph, which the later ones replay.
type pass struct {
	device *Device
	steps  []passStep
	ran    bool
	graph  *driver.Graph
}

// passStep is a step as a list of what it queues.
type passStep struct {
	spec    op.Spec
	emitter emitter
}

// NewPasses prepares the parts of a program.
func (d *Device) NewPasses(parts [][]op.Step) ([]op.Pass, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	packs, err := d.packs(parts)
	if err != nil {
		return nil, err
	}
	// What a step needs of scratch memory decides where that lies, and with it the addresses of all steps.
	var most needs
	for _, steps := range parts {
		for _, s := range steps {
			n, err := d.needsOf(s)
			if err != nil {
				return nil, fmt.Errorf("%s %v: %w", s.Spec.Kind(), s.Spec, err)
			}
			for use, bytes := range n {
				most.atLeast(use, bytes)
			}
		}
	}
	if err := d.reserve(most); err != nil {
		return nil, err
	}
	passes := make([]op.Pass, len(parts))
	for i, steps := range parts {
		if passes[i], err = d.newPass(steps, packs[i]); err != nil {
			return nil, err
		}
	}
	return passes, nil
}

func (d *Device) needsOf(s op.Step) (needs, error) {
	k, o := s.Kernel.(*kernel), operands{s.Dst, s.Src}
	if err := k.check(o); err != nil {
		return needs{}, err
	}
	return k.op.needs(d, o)
}

// packs are the launches that bring the weights in the order of the libraries: each before the first part that uses
// them.
func (d *Device) packs(parts [][]op.Step) ([][]packTable, error) {
	seen := map[weights]bool{}
	tables := make([][]packTable, len(parts))
	for i, steps := range parts {
		byType := map[bool][]*packedWeights{}
		for _, s := range steps {
			for _, w := range weightsOf(s) {
				if w.plain() || seen[w] {
					continue
				}
				seen[w] = true
				p, err := d.pack(w)
				if err != nil {
					return nil, err
				}
				byType[w.half] = append(byType[w.half], p)
			}
		}
		for _, half := range []bool{false, true} {
			if len(byType[half]) == 0 {
				continue
			}
			t, err := d.packTable(byType[half])
			if err != nil {
				return nil, err
			}
			tables[i] = append(tables[i], t)
		}
	}
	return tables, nil
}

func (d *Device) newPass(steps []op.Step, tables []packTable) (*pass, error) {
	p := &pass{device: d, steps: make([]passStep, 0, len(steps)+1)}
	if len(tables) > 0 {
		p.steps = append(p.steps, passStep{spec: steps[0].Spec, emitter: emitter{device: d}})
		first := &p.steps[0].emitter
		for _, t := range tables {
			first.pack(t)
		}
		if first.err != nil {
			return nil, first.err
		}
	}
	for i, s := range steps {
		e := emitter{device: d, packed: true, gathered: i > 0 && gathersSame(steps[i-1], s)}
		p.steps = append(p.steps, passStep{spec: s.Spec, emitter: e})
		k := s.Kernel.(*kernel)
		if err := k.emit(&p.steps[len(p.steps)-1].emitter, operands{s.Dst, s.Src}); err != nil {
			return nil, fmt.Errorf("%s %v: %w", s.Spec.Kind(), s.Spec, err)
		}
	}
	return p, nil
}

// Run queues the pass.
func (p *pass) Run() error {
	d := p.device
	if err := d.enter(); err != nil {
		return err
	}
	switch {
	case !p.ran || d.tracing != nil || d.opts.Eager:
		p.ran = true
		return p.each()
	case p.graph == nil:
		if err := p.capture(); err != nil {
			return fmt.Errorf("recording a CUDA graph of %d steps (%s=1 does without): %w", len(p.steps), envEager, err)
		}
	}
	return p.graph.Launch(d.compute)
}

// each queues the steps one after another.
func (p *pass) each() error {
	for i := range p.steps {
		s := &p.steps[i]
		if err := p.device.run(s.spec, s.emitter.actions); err != nil {
			return err
		}
	}
	return nil
}

// capture records the steps.
func (p *pass) capture() error {
	graph, err := p.device.record(p.each)
	if err != nil {
		return err
	}
	p.graph = graph
	p.device.graphs = append(p.device.graphs, graph)
	return nil
}
