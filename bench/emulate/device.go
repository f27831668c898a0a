package emulate

import (
	"errors"
	"fmt"
	"time"

	"ringloom/models"
	"ringloom/nn/op"
)

// Config says what is emulated.
type Config struct {
	// Step is what forward and backward of Batch images take together.
	Step time.Duration
	// Model is the network whose operations share Step.
	Model models.Spec
	// Batch is the number of images that Step is for: one rank's part of a step.
	Batch int
}

// Validate says what is missing, or nil.
func (c Config) Validate() error {
	switch {
	case c.Step <= 0 || c.Step > longest:
		return fmt.Errorf("an emulated step of %v: give a time above 0 and up to %v", c.Step, longest)
	case c.Model.Build == nil:
		return errors.New("an emulated device needs a model")
	case c.Batch < 1:
		return fmt.Errorf("an emulated step of %d images: at least one is needed", c.Batch)
	}
	return nil
}

// Device waits instead of computing. Make it with New.
type Device struct {
	cfg    Config
	unit   float64       // nanoseconds of a unit of cost
	owed   time.Duration // the time that kernels have taken and that was not slept yet; negative after a sleep that was too long
	closed bool
}

const (
	// leastSleep is the shortest sleep: waking a thread takes tens of microseconds of a core.
	leastSleep = time.Millisecond
	// mostCredit is how much oversleeping is made up for.
	mostCredit = 5 * time.Millisecond
)

// New makes a device.
func New(c Config) (*Device, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	total, err := c.stepCost()
	if err != nil {
		return nil, err
	}
	return &Device{cfg: c, unit: float64(c.Step) / total}, nil
}

// Name is "emulated".
func (*Device) Name() string { return "emulated" }

// Description says how long a step takes.
func (d *Device) Description() string {
	return fmt.Sprintf("emulated: waits %v for forward and backward of %d images of %s", d.cfg.Step, d.cfg.Batch, d.cfg.Model.Name)
}

// IgnoresImages says that there is no need to load any.
func (*Device) IgnoresImages() bool { return true }

// Alloc returns n zeroed elements that start on a 64-byte boundary. They take no memory until somebody writes to them.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if d.closed {
		return op.Buffer{}, errClosed
	}
	return op.NewHostBuffer(n)
}

// Close forbids further use. The garbage collector takes the memory.
func (d *Device) Close() error {
	d.closed = true
	return nil
}

var errClosed = errors.New("the emulated device is closed")

// spend takes time.
func (d *Device) spend(t time.Duration) {
	d.owed += t
	if d.owed < leastSleep {
		return
	}
	begin := time.Now()
	time.Sleep(d.owed)
	d.owed = max(d.owed-time.Since(begin), -mostCredit)
}
