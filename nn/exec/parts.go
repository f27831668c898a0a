package exec

import (
	"fmt"
	"slices"

	"ringloom/nn"
	"ringloom/nn/op"
)

// part is what an accelerator runs in one go: the steps up to one after which the host has something to do.
type part struct {
	steps []op.Step
	pass  op.Pass
	sync  *step     // whose moments ranks average behind the pass, or nil
	own   []float32 // room for them
	ready []int     // parameters to tell of then
}

// cutParts divides steps as an accelerator runs them: cut behind what ranks average, and behind the gradients of stops.
func cutParts(steps []step, stops []int) (all []part) {
	var now part
	for i := range steps {
		s := &steps[i]
		now.steps = append(now.steps, s.Step)
		now.ready = append(now.ready, s.ready...)
		stop := slices.ContainsFunc(s.ready, func(param int) bool { return slices.Contains(stops, param) })
		if s.sync >= 0 {
			dst, _ := s.Spec.Operands()
			now.sync, now.own = s, make([]float32, dst[s.sync].Len)
		}
		if stop || s.sync >= 0 || i == len(steps)-1 {
			all, now = append(all, now), part{}
		}
	}
	return all
}

// prepareParts cuts the passes, and has the accelerator prepare the parts.
func (p *Program) prepareParts(stops []int) error {
	all := cutParts(p.forward, nil)
	forward := len(all)
	all = append(all, cutParts(p.backward, stops)...)
	parts := make([][]op.Step, len(all))
	for i := range all {
		parts[i] = all[i].steps
	}
	passes, err := p.acc.NewPasses(parts)
	if err != nil {
		return fmt.Errorf("preparing the passes for %s: %w", p.device.Name(), err)
	}
	for i := range all {
		all[i].pass = passes[i]
	}
	p.forwardParts, p.backwardParts = all[:forward], all[forward:]
	return nil
}

// startParts brings the small inputs to the accelerator, queues the forward pass and the copy of its outcome to the host.
func (p *Program) startParts() error {
	if p.arrival != nil { // nobody has asked for the last outcome
		if _, err := p.Stats(); err != nil {
			return err
		}
	}
	inputs := []op.Buffer{p.labels, p.scale, p.key}
	if p.fresh {
		inputs[1] = op.Buffer{}
	}
	if !p.dropout {
		inputs[2] = op.Buffer{}
	}
	for _, b := range inputs {
		if err := op.Push(p.device, b); err != nil {
			return err
		}
	}
	p.fresh = true
	if err := p.runParts(p.forwardParts, nil); err != nil {
		return err
	}
	var err error
	p.arrival, err = p.acc.StartPull(p.stats)
	return err
}

// runParts queues a pass, and does between its parts what is the host's.
func (p *Program) runParts(parts []part, ready func(int)) error {
	for i := range parts {
		t := &parts[i]
		if err := t.pass.Run(); err != nil {
			return err
		}
		if t.sync != nil {
			if err := p.averageRemote(t); err != nil {
				return err
			}
		}
		if ready == nil {
			continue
		}
		for _, param := range t.ready {
			ready(param)
		}
	}
	return nil
}

// averageRemote is average for moments in an accelerator's memory.
func (p *Program) averageRemote(t *part) error {
	b := t.sync.Dst[t.sync.sync]
	if err := p.acc.Get(t.own, b); err != nil {
		return err
	}
	if err := p.average(t.sync, t.own); err != nil {
		return err
	}
	return p.acc.Put(b, t.own)
}

// markHalf marks the values that are activations as bfloat16.
func (l *listing) markHalf() error {
	marked := map[*nn.Value]bool{}
	for _, i := range l.Instructions {
		dst, src := i.Spec.Operands()
		for k, v := range slices.Concat(i.Dst, i.Src) {
			v, half := v.Root(), slices.Concat(dst, src)[k].Activation
			if half && v.Home.Kind != nn.InArena && v.Home.Kind != nn.InPixels {
				return fmt.Errorf("%w: %s takes %q as an activation, which it is not",
					nn.ErrModel, i.Spec.Kind(), v.Name)
			}
			if before, ok := marked[v]; ok && before != half {
				return fmt.Errorf("%w: a value that is an activation for some operations is none for %s",
					nn.ErrModel, i.Spec.Kind())
			}
			marked[v], l.half[v] = half, half
		}
	}
	return nil
}
