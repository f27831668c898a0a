package codec

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// littleEndian says whether memory holds float32 as the wire does, so that copying is one memmove.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

var le = binary.LittleEndian

// floatBytes views v as the bytes of its memory.
func floatBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// putFloats sets dst to src in wire order.
func putFloats(dst []byte, src []float32) {
	if littleEndian {
		copy(dst, floatBytes(src))
		return
	}
	for i, v := range src {
		le.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

// getFloats sets dst to the values in src, in wire order.
func getFloats(dst []float32, src []byte) []float32 {
	if littleEndian {
		copy(floatBytes(dst), src)
		return dst
	}
	for i := range dst {
		dst[i] = getFloat(src[4*i:])
	}
	return dst
}

func getFloat(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }

// addFloats adds to dst the values in src, in wire order and of any alignment.
func addFloats(dst []float32, src []byte) {
	n := 0
	if fast {
		if n = len(dst) &^ 31; n > 0 {
			addFloatsAVX2(&dst[0], &src[0], n)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] += getFloat(src[4*i:])
	}
}

// accumulate adds src to dst.
func accumulate(dst, src []float32) {
	if littleEndian {
		addFloats(dst, floatBytes(src))
		return
	}
	for i, v := range src {
		dst[i] += v
	}
}

// absMax is the largest magnitude in v, and NaN or infinity if there is one. It is 0 for none.
func absMax(v []float32) float32 {
	largest, n := uint32(0), 0
	if fast {
		if n = len(v) &^ 31; n > 0 {
			largest = absMaxAVX2(&v[0], n)
		}
	}
	for _, x := range v[n:] {
		largest = max(largest, math.Float32bits(x)&^(1<<31))
	}
	return math.Float32frombits(largest)
}

func finite(x float32) bool { return math.Float32bits(x)&(0xff<<23) != 0xff<<23 }

// powerOfTwo is 2^e for e from -126 to 127.
func powerOfTwo(e int) float32 { return math.Float32frombits(uint32(e+127) << 23) }
