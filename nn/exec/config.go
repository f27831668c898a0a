package exec

import (
	"errors"
	"fmt"

	"ringloom/nn"
	"ringloom/nn/op"
)

// Config says what Compile makes.
type Config struct {
	// Device compiles the operations and owns the memory.
	Device op.Device
	// Params are the parameters of the same model on the same device; several programs may share them.
	Params *nn.Params
	// Batch is the number of images, and Side their height and width.
	Batch, Side int
	// Build is the model.
	Build nn.BuildFunc
	// Training adds the backward pass, and makes batch norm and dropout work as in training. Without it a program needs
	// less memory and Backward returns ErrOrder.
	Training bool
	// NoDropout leaves dropout out of training, for comparisons with other engines.
	NoDropout bool
	// Smoothing is the label smoothing of the loss, 0 <= Smoothing < 1; 0 is the plain cross-entropy.
	Smoothing float32
	// SyncBatchNorm averages batch norm's moments over ranks, in place: it is called in the middle of a pass, on the
	// thread that runs it, a number of times that depends on the model alone. values are means over this rank's
	// samples; it makes them means over all ranks' samples. nil keeps each rank's own, as PyTorch's BatchNorm2d does.
	SyncBatchNorm func(values []float32) error
	// SyncBatch is the number of images on all ranks that share moments, this rank's included; 0 without SyncBatchNorm.
	SyncBatch int
	// Stops are parameters that Backward's ready should be told of at once. An Accelerator runs what lies between two
	// of them as one, and tells of the others when it comes to the next of these, or to the end.
	Stops []int
	// Unfused leaves every operation on its own. For tests: the numbers are the same but for rounding.
	Unfused bool
}

// Validate says what is missing.
func (c Config) Validate() error {
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
