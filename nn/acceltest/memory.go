package acceltest

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"ringloom/nn/op"
)

var notANumber = float32(math.NaN())

const (
	elementBytes = 4
	// firstAddress and gapBytes keep addresses from being taken for others.
	firstAddress, gapBytes = 1 << 20, 4096
)

// memory is spans of elements under addresses that mean nothing to the host.
type memory struct {
	blocks []block // in ascending order
}

type block struct {
	address  uintptr
	elements []float32
}

// alloc makes room for n elements, at least one, of a value.
func (m *memory) alloc(n int, value float32) uintptr {
	b := block{address: firstAddress, elements: make([]float32, max(n, 1))}
	if len(m.blocks) > 0 {
		b.address = (m.blocks[len(m.blocks)-1].end() + 2*gapBytes) &^ (gapBytes - 1)
	}
	if value != 0 {
		for i := range b.elements {
			b.elements[i] = value
		}
	}
	m.blocks = append(m.blocks, b)
	return b.address
}

func (b block) end() uintptr { return b.address + elementBytes*uintptr(len(b.elements)) }

// find is the memory of n elements.
func (m *memory) find(b op.Buffer, n int) ([]float32, error) {
	switch {
	case b.Half:
		return nil, fmt.Errorf("in-memory accelerator: %w: bfloat16", op.ErrUnsupported)
	case b.Device == 0:
		return nil, fmt.Errorf("in-memory accelerator: a buffer of %d elements that is not in its memory", len(b.Host))
	case b.Host != nil && len(b.Host) != n:
		return nil, fmt.Errorf("in-memory accelerator: a buffer of %d elements where there should be %d", len(b.Host), n)
	}
	i, found := slices.BinarySearchFunc(m.blocks, b.Device, func(x block, address uintptr) int {
		if x.address <= address {
			return -1
		}
		return 1
	})
	if i--; found || i < 0 || b.Device+elementBytes*uintptr(n) > m.blocks[i].end() {
		return nil, fmt.Errorf("in-memory accelerator: %d elements at %#x are not all in its memory", n, b.Device)
	}
	at := int(b.Device-m.blocks[i].address) / elementBytes
	return m.blocks[i].elements[at : at+n : at+n], nil
}

// overlap reports whether two spans share an element.
func overlap(a, b []float32) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	first := func(s []float32) uintptr { return uintptr(unsafe.Pointer(&s[0])) }
	return first(a) < first(b)+elementBytes*uintptr(len(b)) && first(b) < first(a)+elementBytes*uintptr(len(a))
}
