package nn

import "context"

// Specs are the operations of one step of a program, in their order: what Compile would have the device compile.
func Specs(build BuildFunc, side, batch int, training bool) ([]Spec, error) {
	_, l, err := ProgramConfig{Batch: batch, Side: side, Build: build, Training: training}.listing()
	if err != nil {
		return nil, err
	}
	specs := make([]Spec, len(l.instrs))
	for i, in := range l.instrs {
		specs[i] = in.spec
	}
	return specs, nil
}

// Tuner is a Device that knows several ways to compute some operations, and can find the fastest by trying them.
type Tuner interface {
	Device
	// Tune tries the ways of those operations that no choice is known for, and keeps the fastest of each. It must run
	// before they are compiled, and on the device's thread. When the context ends it returns that's cause, soon, with what it has.
	Tune(ctx context.Context, specs []Spec) error
	// Choices are those known: from the name of an operation at its geometry to that of a way. They decide how it is computed,
	// and with it the last bits of every result. Some devices add to them when they meet an operation that was not tuned.
	Choices() map[string]string
	// SetChoices adds choices that were found before. It leaves out those that this device cannot follow.
	SetChoices(choices map[string]string)
	// Machine describes what choices are good for: processor, library and number of threads.
	Machine() string
}
