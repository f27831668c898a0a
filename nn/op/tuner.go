package op

import "context"

// Tuner is a Device that knows several algorithms for some operations, and can find the fastest by trying them.
type Tuner interface {
	Device
	// Tune tries the algorithms of those operations that no choice is known for, and keeps the fastest of each. It must
	// run before they are compiled, and on the device's thread. When the context ends it soon returns that context's
	// cause, with what it has found.
	Tune(ctx context.Context, specs []Spec) error
	// Choices are those known: from the name of an operation at its geometry to that of an algorithm. They decide how
	// it is computed, and with it the last bits of every result. Some devices add to them when they meet an operation
	// that was not tuned. The names are kept in files: they never change.
	Choices() map[string]string
	// SetChoices adds choices that were found before. It leaves out those that this device cannot follow.
	SetChoices(choices map[string]string)
	// Machine describes what choices are good for: processor, library and number of threads.
	Machine() string
}
