package op

import (
	"fmt"
	"unsafe"
)

// NewHostBuffer returns n zeroed elements of Go's memory that start on a 64-byte boundary. They take no memory until
// somebody writes to them.
func NewHostBuffer(n int) (Buffer, error) {
	if n < 0 {
		return Buffer{}, fmt.Errorf("cannot allocate %d elements", n)
	}
	const lineBytes, lineElements = 64, 16
	m := make([]float32, n+lineElements)
	skip := 0
	if over := uintptr(unsafe.Pointer(&m[0])) % lineBytes; over != 0 {
		skip = int(lineBytes-over) / 4
	}
	return Buffer{Host: m[skip : skip+n : skip+n]}, nil
}
