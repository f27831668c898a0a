package purego

import (
	"cmp"
	"math"
	"slices"
	"unsafe"

	"ringloom/nn/op"
)

// wide is the float64 memory of a device's buffers. Its users know the host's memory alone: there an element is
// rounded to float32, and one that the host has changed since counts in the place of what it was rounded from.
type wide struct{ spans []span } // by address

// span is one allocation.
type span struct {
	from  uintptr // of host, which keeps it where it is
	host  []float32
	exact []float64
}

func address(host []float32) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(host))) }

func (w *wide) add(host []float32) {
	s := span{address(host), host, make([]float64, len(host))}
	i, _ := slices.BinarySearchFunc(w.spans, s.from, func(s span, at uintptr) int { return cmp.Compare(s.from, at) })
	w.spans = slices.Insert(w.spans, i, s)
}

// exact is the memory behind a part of an allocation. It panics for memory that is not this device's.
func (w *wide) exact(host []float32) []float64 {
	if len(host) == 0 {
		return nil
	}
	at := address(host)
	i, found := slices.BinarySearchFunc(w.spans, at, func(s span, at uintptr) int { return cmp.Compare(s.from, at) })
	if !found {
		i--
	}
	if i >= 0 {
		s := w.spans[i]
		if first := int(at-s.from) / op.ElementBytes; first+len(host) <= len(s.exact) {
			return s.exact[first : first+len(host) : first+len(host)]
		}
	}
	panic("purego: a buffer of another device")
}

// read is exact after it has taken over what the host has changed.
func (w *wide) read(host []float32) []float64 {
	exact := w.exact(host)
	for i, v := range host {
		if math.Float32bits(v) != math.Float32bits(float32(exact[i])) {
			exact[i] = float64(v)
		}
	}
	return exact
}

// round brings what the elements have become to the host.
func (w *wide) round(host []float32) {
	for i, v := range w.exact(host) {
		host[i] = float32(v)
	}
}

// Float64 are the elements of one of the device's buffers as a device of NewFloat64 holds them. They stay valid, and
// change as they are computed anew.
func (d *Device) Float64(b op.Buffer) []float64 { return d.wide.read(b.Host) }
