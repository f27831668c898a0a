//go:build gpu && cgo

package cuda

import (
	"ringloom/nn/cuda/driver"
	"ringloom/nn/op"
)

// trace times each kernel of a run by the events before and behind it.
type trace struct {
	events []*driver.Event
	used   int
	done   []op.Traced
}

func (t *trace) event(d *Device) (*driver.Event, error) {
	if t.used == len(t.events) {
		e, err := d.ctx.NewEvent(true)
		if err != nil {
			return nil, err
		}
		t.events = append(t.events, e)
	}
	t.used++
	return t.events[t.used-1], nil
}

func (t *trace) record(d *Device) error {
	e, err := t.event(d)
	if err != nil {
		return err
	}
	return d.compute.Record(e)
}

func (t *trace) begin(d *Device) error { return t.record(d) }

func (t *trace) end(d *Device, spec op.Spec, name string) error {
	t.done = append(t.done, op.Traced{Spec: spec, Name: name})
	return t.record(d)
}

// Trace runs run with each kernel on its own, between two events.
func (d *Device) Trace(run func() error) (_ []op.Traced, err error) {
	t := &trace{}
	defer func() {
		d.tracing = nil
		for _, e := range t.events {
			if destroyErr := e.Destroy(); err == nil {
				err = destroyErr
			}
		}
	}()
	d.tracing = t
	if err := run(); err != nil {
		return nil, err
	}
	if err := d.compute.Synchronize(); err != nil {
		return nil, err
	}
	for i := range t.done {
		if t.done[i].Time, err = t.events[2*i+1].Since(t.events[2*i]); err != nil {
			return nil, err
		}
	}
	return t.done, nil
}
