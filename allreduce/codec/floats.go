package codec

import (
	"encoding/binary"
	"math"

	"ringloom/internal/float32le"
)

var le = binary.LittleEndian

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
	if b, ok := float32le.View(src); ok {
		addFloats(dst, b)
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
