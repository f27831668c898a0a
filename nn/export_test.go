package nn

import "gorgonia.org/gorgonia"

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
