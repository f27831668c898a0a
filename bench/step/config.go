package step

import (
	"errors"
	"fmt"
	"time"

	"ringloom/data"
	"ringloom/models"
	"ringloom/nn/op"
)

// Config says what Run measures.
type Config struct {
	Model models.Spec
	// Device runs the step. Run compiles on it, and leaves its memory to the caller's Close.
	Device op.Device
	// Threads is the number of compute threads that Device was opened with, for the record.
	Threads int
	// Batch is the number of images of a step.
	Batch int
	// MinSteps are taken at the least, and more until Duration has passed, warm-up not counted.
	MinSteps int
	Duration time.Duration
	// WarmUp steps come first and are not measured.
	WarmUp int
	// Images are what is trained on, resized to the model's side; nil means random pixels.
	Images *data.Dataset
	// Seed is that of the initial parameters, of dropout and of random pixels.
	Seed uint64
	// Peak measures the float32 peak of the device's threads in FLOP/s, as onednn.PeakFLOPS does. nil means that it
	// is not known.
	Peak func() (float64, error)
	// Reference opens the device by which the error is measured after the steps. nil: it is not measured.
	Reference func() (Reference, error)
	// ErrorImages are the images of the batch that the error is measured by. 0: as many as take the reference some two
	// seconds, and a power of two; more take longer, and change the figures little.
	ErrorImages int
}

// Validate says what cannot be measured, or returns nil.
func (c Config) Validate() error {
	switch {
	case c.Device == nil || c.Model.Build == nil:
		return errors.New("a step needs a device and a model")
	case c.Batch < 1:
		return fmt.Errorf("--batch %d: at least one image is needed", c.Batch)
	case c.MinSteps < 1:
		return fmt.Errorf("--steps %d: at least one step is needed", c.MinSteps)
	case c.Duration < 0 || c.WarmUp < 0:
		return fmt.Errorf("a duration of %v and %d warm-up steps: neither may be negative", c.Duration, c.WarmUp)
	case c.ErrorImages < 0 || c.ErrorImages > c.Batch:
		return fmt.Errorf("--error-images %d: give 0 to the %d images of the batch", c.ErrorImages, c.Batch)
	case c.Images != nil && c.Images.N < c.Batch:
		return fmt.Errorf("--batch %d: the data set has %d images", c.Batch, c.Images.N)
	}
	return nil
}

// defaultBatch is for models that DefaultBatch does not name.
const defaultBatch = 64

// DefaultBatch is the number of images of a step by which a model is compared.
func DefaultBatch(model string) int {
	switch model {
	case "lenet":
		return 256
	case "alexnet", "alexnet-small":
		return 128
	case "vgg11-96":
		return 32
	case "vgg11":
		return 16
	}
	return defaultBatch
}
