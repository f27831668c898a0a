package codec

import "math"

func encodeBF16(dst []byte, src []float32) {
	n := 0
	if fast {
		if n = len(src) &^ 15; n > 0 {
			encodeBF16AVX2(&dst[0], &src[0], n)
		}
	}
	for i := n; i < len(src); i++ {
		le.PutUint16(dst[2*i:], toBF16(src[i]))
	}
}

// toBF16 rounds to nearest even; NaN stays NaN.
func toBF16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 1<<6
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func fromBF16(b []byte) float32 { return math.Float32frombits(uint32(le.Uint16(b)) << 16) }

func addBF16(dst []float32, src []byte, factor float32) {
	n := 0
	if fast {
		if n = len(dst) &^ 15; n > 0 {
			addBF16AVX2(&dst[0], &src[0], n, factor)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] += float32(fromBF16(src[2*i:]) * factor)
	}
}

func copyBF16(dst []float32, src []byte) {
	n := 0
	if fast {
		if n = len(dst) &^ 15; n > 0 {
			copyBF16AVX2(&dst[0], &src[0], n)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] = fromBF16(src[2*i:])
	}
}
