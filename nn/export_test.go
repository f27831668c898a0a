package nn

import "gorgonia.org/gorgonia"

// CompileGraph gives the graph's operations kernels of their own, for Gorgonia's tape machine.
func (p *Program) CompileGraph(d Device) error {
	for _, n := range p.net.graph.AllNodes() {
		if k, ok := n.Op().(kernelNode); ok {
			var err error
			if k.base().kernel, err = d.Compile(k.base().spec); err != nil {
				return err
			}
		}
	}
	return nil
}

// Graph exposes what the oracle test needs to run the same graph on Gorgonia's tape machine.
func (p *Program) Graph() (g *gorgonia.ExprGraph, input, labels, scale, loss, logits *gorgonia.Node, params, grads gorgonia.Nodes) {
	n := p.net
	return n.graph, n.input, n.labels, n.scale, n.loss, n.logits, n.nodes, n.grads
}

// StepNames are the kinds of the forward and backward steps in order.
func (p *Program) StepNames() (forward, backward []string) {
	for _, s := range p.forward {
		forward = append(forward, p.profile[s.kind].Kind)
	}
	for _, s := range p.backward {
		backward = append(backward, p.profile[s.kind].Kind)
	}
	return forward, backward
}

// Kinds counts the operations of a fused training step.
func Kinds(build BuildFunc, side int) (map[string]int, error) {
	_, l, err := ProgramConfig{Batch: 2, Side: side, Build: build, Training: true}.listing()
	if err != nil {
		return nil, err
	}
	kinds := map[string]int{}
	for _, i := range l.instrs {
		kinds[Kind(i.spec)]++
	}
	return kinds, nil
}
