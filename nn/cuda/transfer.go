//go:build gpu && cgo

package cuda

import (
	"fmt"
	"time"
	"unsafe"

	"ringloom/nn/cuda/driver"
	"ringloom/nn/op"
)

// eventPool keeps events that nobody waits for, to be used again.
type eventPool struct {
	free []*transfer
	all  []*driver.Event
}

// transfer is a copy to the host, whose arrival an event tells.
type transfer struct {
	device  *Device
	arrived *driver.Event
}

// take returns a transfer whose event is not in use.
func (p *eventPool) take(d *Device) (*transfer, error) {
	if n := len(p.free); n > 0 {
		t := p.free[n-1]
		p.free = p.free[:n-1]
		return t, nil
	}
	e, err := d.ctx.NewEvent(false)
	if err != nil {
		return nil, err
	}
	p.all = append(p.all, e)
	return &transfer{device: d, arrived: e}, nil
}

func (p *eventPool) close(keep func(error)) {
	for _, e := range p.all {
		keep(e.Destroy())
	}
	*p = eventPool{}
}

// spin is how long a wait asks again and again before it lets the thread sleep: a thread that sleeps wakes up some tens
// of microseconds late, which is a large part of a short step.
const spin = 100 * time.Microsecond

// wait returns when the event has come.
func wait(e *driver.Event) error {
	for begin := time.Now(); time.Since(begin) < spin; {
		if done, err := e.Query(); done || err != nil {
			return err
		}
	}
	return e.Synchronize()
}

// Wait returns when the copy has arrived. It may be called once.
func (t *transfer) Wait() error {
	err := wait(t.arrived)
	t.device.events.free = append(t.device.events.free, t)
	return err
}

// order makes what is queued on a stream later come after what is queued on another one now.
func (d *Device) order(first, then *driver.Stream) error {
	t, err := d.events.take(d)
	if err != nil {
		return err
	}
	defer func() { d.events.free = append(d.events.free, t) }()
	if err := first.Record(t.arrived); err != nil {
		return err
	}
	return then.Wait(t.arrived)
}

// StartPull copies b to its mirror behind what was queued before, beside what is queued later.
func (d *Device) StartPull(b op.Buffer) (op.Transfer, error) {
	if err := d.copyable(b); err != nil {
		return nil, err
	}
	if err := d.order(d.compute, d.transfers); err != nil {
		return nil, err
	}
	if err := d.transfers.CopyToHost(unsafe.Pointer(&b.Host[0]), b.Device, float32Bytes*int64(len(b.Host))); err != nil {
		return nil, err
	}
	t, err := d.events.take(d)
	if err != nil {
		return nil, err
	}
	return t, d.transfers.Record(t.arrived)
}

// smallBytes is up to where a copy takes less than handing it over to another stream and back.
const smallBytes = 64 << 10

// StartPush copies a mirror to b. What is queued later sees it.
func (d *Device) StartPush(b op.Buffer) error {
	if err := d.copyable(b); err != nil {
		return err
	}
	bytes := float32Bytes * int64(len(b.Host))
	if bytes <= smallBytes {
		return d.compute.CopyToDevice(b.Device, unsafe.Pointer(&b.Host[0]), bytes)
	}
	if err := d.order(d.compute, d.transfers); err != nil {
		return err
	}
	if err := d.transfers.CopyToDevice(b.Device, unsafe.Pointer(&b.Host[0]), bytes); err != nil {
		return err
	}
	return d.order(d.transfers, d.compute)
}

// copyable makes sure that b can be copied beside what else goes on.
func (d *Device) copyable(b op.Buffer) error {
	if err := d.enter(); err != nil {
		return err
	}
	if len(b.Host) == 0 || b.Device == 0 {
		return fmt.Errorf("cuda: a buffer of %d elements without a mirror cannot be copied", len(b.Host))
	}
	return d.lock(b)
}

// marks are points in time on the compute stream, in turn.
type marks struct {
	events []*driver.Event
	next   int
}

// markCount is how many marks are remembered.
const markCount = 512

type mark struct{ event *driver.Event }

// Mark is now, on the compute stream.
func (d *Device) Mark() (op.Mark, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	m := &d.marks
	if len(m.events) < markCount {
		e, err := d.ctx.NewEvent(true)
		if err != nil {
			return nil, err
		}
		m.events = append(m.events, e)
	}
	e := m.events[m.next]
	m.next = (m.next + 1) % markCount
	return mark{e}, d.compute.Record(e)
}

// Since is the time from an earlier mark to this one. It waits for this one.
func (m mark) Since(earlier op.Mark) (time.Duration, error) {
	if err := wait(m.event); err != nil {
		return 0, err
	}
	return m.event.Since(earlier.(mark).event)
}

func (m *marks) close(keep func(error)) {
	for _, e := range m.events {
		keep(e.Destroy())
	}
	*m = marks{}
}
