//go:build gpu && cgo

package driver

import (
	"time"

	"gorgonia.org/cu"
)

// Event marks a place in a stream's work.
type Event struct{ event cu.Event }

// NewEvent makes an event. Only one with timing has a time, and costs more to record.
func (c *Context) NewEvent(timing bool) (*Event, error) {
	flags := cu.BlockingSyncEvent
	if !timing {
		flags |= cu.DisableTiming
	}
	e, err := cu.MakeEvent(flags)
	if err != nil {
		return nil, check("cuEventCreate", err)
	}
	return &Event{e}, nil
}

// Synchronize blocks, without spinning, until the work that was last recorded is done; it returns at once where none
// was.
func (e *Event) Synchronize() error { return check("cuEventSynchronize", e.event.Synchronize()) }

// Query reports whether the work that was last recorded is done; true where none was.
func (e *Event) Query() (done bool, err error) { return ready("cuEventQuery", e.event.Query()) }

// Since is the time from begin to e on the device; both have timing, were recorded and are done.
func (e *Event) Since(begin *Event) (time.Duration, error) {
	milliseconds, err := begin.event.Elapsed(e.event)
	if err != nil {
		return 0, check("cuEventElapsedTime", err)
	}
	return time.Duration(milliseconds * float64(time.Millisecond)), nil
}

// Destroy gives the event back.
func (e *Event) Destroy() error { return check("cuEventDestroy", cu.DestroyEvent(&e.event)) }
