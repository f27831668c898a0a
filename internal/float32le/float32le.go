// Package float32le stores float32 values as little-endian bytes, as safetensors, ONNX, NumPy and the ring do. Where memory
// holds them like that anyway, storing is a copy, and writing does not even copy.
package float32le

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
	"unsafe"
)

var native = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// View is the memory of v as little-endian bytes; ok is false on a machine that stores values in another order.
func View(v []float32) (b []byte, ok bool) {
	if !native {
		return nil, false
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)), true
}

// Put stores src in the first 4*len(src) bytes of dst. It panics if dst is shorter.
func Put(dst []byte, src []float32) {
	dst = dst[: 4*len(src) : len(dst)] // the capacity does not count
	if b, ok := View(src); ok {
		copy(dst, b)
		return
	}
	put(dst, src)
}

// Append appends the bytes of src to dst.
func Append(dst []byte, src []float32) []byte {
	dst = slices.Grow(dst, 4*len(src))
	Put(dst[len(dst):cap(dst)], src)
	return dst[:len(dst)+4*len(src)]
}

// Get sets dst to the values in the first 4*len(dst) bytes of src. It panics if src is shorter.
func Get(dst []float32, src []byte) {
	src = src[: 4*len(dst) : len(src)]
	if b, ok := View(dst); ok {
		copy(b, src)
		return
	}
	get(dst, src)
}

// Write writes the bytes of v. On little-endian machines w gets them as they lie in memory, in one call.
func Write(w io.Writer, v []float32) error {
	if b, ok := View(v); ok {
		if len(b) == 0 {
			return nil
		}
		_, err := w.Write(b)
		return err
	}
	return writeBlocks(w, v)
}

func writeBlocks(w io.Writer, v []float32) error {
	const blockElements = 1 << 14
	block := make([]byte, 4*min(len(v), blockElements))
	for part := range slices.Chunk(v, blockElements) {
		put(block, part)
		if _, err := w.Write(block[:4*len(part)]); err != nil {
			return err
		}
	}
	return nil
}

// put and get work on any machine.
func put(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func get(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}
