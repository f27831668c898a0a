package acceltest

import (
	"errors"
	"fmt"

	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// Name is that of the device.
const Name = "accelerator"

// Device is an accelerator of its own. Make it with New.
type Device struct {
	host   *purego.Device
	memory memory
	queue  queue
	pulls  []*pull // under way
	marks  int     // so many were made
	trace  []op.Traced
	traces bool
	closed bool
}

// New returns a device with an empty memory.
func New() *Device { return &Device{host: purego.New()} }

// Name is the constant of that name.
func (*Device) Name() string { return Name }

// Description says what it is.
func (d *Device) Description() string { return "in-memory accelerator over " + d.host.Description() }

// HalfActivations is false.
func (*Device) HalfActivations() bool { return false }

// Close forbids further use. What is queued never runs.
func (d *Device) Close() error {
	d.closed = true
	return d.host.Close()
}

var errClosed = errors.New("the in-memory accelerator is closed")

// usable is the error that stays, or nil.
func (d *Device) usable() error {
	if d.closed {
		return errClosed
	}
	return d.queue.err
}

// Alloc returns n zeros with a mirror of zeros.
func (d *Device) Alloc(n int) (op.Buffer, error) {
	if err := d.usable(); err != nil {
		return op.Buffer{}, err
	}
	b, err := op.NewHostBuffer(n)
	if err != nil {
		return op.Buffer{}, err
	}
	b.Device = d.memory.alloc(n, 0)
	return b, nil
}

// AllocLocal returns memory that is not a number anywhere.
func (d *Device) AllocLocal(n int, half bool) (op.Buffer, error) {
	if err := d.usable(); err != nil {
		return op.Buffer{}, err
	}
	if half {
		return op.Buffer{}, fmt.Errorf("in-memory accelerator: %w: bfloat16", op.ErrUnsupported)
	}
	return op.Buffer{Device: d.memory.alloc(n, notANumber)}, nil
}

// Put queues a copy of values.
func (d *Device) Put(dst op.Buffer, values []float32) error {
	to, err := d.at(dst, len(values), true)
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	c := d.queue.add(runPut)
	c.dst = append(c.dst, to)
	c.staged = append(c.staged[:0], values...)
	return nil
}

func runPut(c *command) error {
	copy(c.dst[0], c.staged)
	return nil
}

// Get runs everything that is queued.
func (d *Device) Get(values []float32, src op.Buffer) error {
	from, err := d.at(src, len(values), false)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if err := d.queue.run(d.queue.added); err != nil {
		return err
	}
	copy(values, from)
	return nil
}

// at is the memory of a buffer of n elements. To write there is an error while it is pulled.
func (d *Device) at(b op.Buffer, n int, write bool) ([]float32, error) {
	if err := d.usable(); err != nil {
		return nil, err
	}
	m, err := d.memory.find(b, n)
	if err != nil {
		return nil, err
	}
	if write {
		for _, p := range d.pulls {
			if overlap(p.from, m) {
				return nil, d.queue.fail(errors.New("in-memory accelerator: a write to a buffer that is on its way to its mirror"))
			}
		}
	}
	return m, nil
}
