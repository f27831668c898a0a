package exec

import "ringloom/nn"

// StepNames are the kinds of the forward and backward steps in order.
func (p *Program) StepNames() (forward, backward []string) {
	for _, s := range p.forward {
		forward = append(forward, s.Spec.Kind())
	}
	for _, s := range p.backward {
		backward = append(backward, s.Spec.Kind())
	}
	return forward, backward
}

// Kinds counts the operations of a fused training step.
func Kinds(build nn.BuildFunc, side int) (map[string]int, error) {
	specs, err := Specs(build, side, 2, true)
	if err != nil {
		return nil, err
	}
	kinds := map[string]int{}
	for _, s := range specs {
		kinds[s.Kind()]++
	}
	return kinds, nil
}
