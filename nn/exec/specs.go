package exec

import (
	"ringloom/nn"
	"ringloom/nn/op"
)

// Specs are the operations of one step of a program, in their order: what Compile would have the device compile.
func Specs(build nn.BuildFunc, side, batch int, training bool) ([]op.Spec, error) {
	l, err := Config{Batch: batch, Side: side, Build: build, Training: training}.listing()
	if err != nil {
		return nil, err
	}
	specs := make([]op.Spec, len(l.Instructions))
	for i, in := range l.Instructions {
		specs[i] = in.Spec
	}
	return specs, nil
}

// PlanActivations is the memory in bytes that all intermediate results of a program share: what ActivationBytes of
// Program says, without a device.
func PlanActivations(build nn.BuildFunc, side, batch int, training bool) (int64, error) {
	l, err := Config{Batch: batch, Side: side, Build: build, Training: training}.listing()
	if err != nil {
		return 0, err
	}
	_, _, total := l.plan()
	return op.ElementBytes * int64(total), nil
}

// GradientOrder are the parameters in the order in which Backward of what Compile makes finishes their gradients.
func (c Config) GradientOrder() ([]int, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Training = true
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	var order []int
	for _, i := range l.Instructions {
		order = append(order, i.Finishes()...)
	}
	return order, nil
}
