package allreduce

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// littleEndian says whether memory holds float32 as the wire does, so that copying is one memmove.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// floatBytes views v as the bytes of its memory.
func floatBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// appendFloats appends src to dst in wire order (little-endian).
func appendFloats(dst []byte, src []float32) []byte {
	if littleEndian {
		return append(dst, floatBytes(src)...)
	}
	for _, v := range src {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

// copyFloats sets dst to the len(dst) values in src, which has 4*len(dst) bytes.
func copyFloats(dst []float32, src []byte) {
	if littleEndian {
		copy(floatBytes(dst), src)
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

// addFloats adds to dst the len(dst) values in src, which has 4*len(dst) bytes and any alignment.
func addFloats(dst []float32, src []byte) {
	le := binary.LittleEndian
	for len(dst) >= 8 && len(src) >= 32 {
		d, s := dst[:8:8], src[:32:32]
		d[0] += math.Float32frombits(le.Uint32(s[0:]))
		d[1] += math.Float32frombits(le.Uint32(s[4:]))
		d[2] += math.Float32frombits(le.Uint32(s[8:]))
		d[3] += math.Float32frombits(le.Uint32(s[12:]))
		d[4] += math.Float32frombits(le.Uint32(s[16:]))
		d[5] += math.Float32frombits(le.Uint32(s[20:]))
		d[6] += math.Float32frombits(le.Uint32(s[24:]))
		d[7] += math.Float32frombits(le.Uint32(s[28:]))
		dst, src = dst[8:], src[32:]
	}
	for i := range dst {
		dst[i] += math.Float32frombits(le.Uint32(src[4*i:]))
	}
}
