package codec

import "math"

// encodeFP16 multiplies by a power of two that brings the largest magnitude into [2^13, 2^14], where binary16 still has
// room above (up to 65504) and the most room below.
func encodeFP16(dst []byte, src []float32) {
	if len(src) == 0 {
		return
	}
	scale, inverse := fp16Scale(absMax(src))
	le.PutUint32(dst, math.Float32bits(inverse))
	dst = dst[4:]
	n := 0
	if fast {
		if n = len(src) &^ 15; n > 0 {
			encodeFP16AVX2(&dst[0], &src[0], n, scale)
		}
	}
	for i := n; i < len(src); i++ {
		le.PutUint16(dst[2*i:], toFP16(float32(src[i]*scale)))
	}
}

// fp16Scale is the factor for a chunk whose largest magnitude is largest, and its inverse. The magnitude is rounded to
// binary16's 11 bits first: so it is the same for the chunk once it was encoded.
func fp16Scale(largest float32) (scale, inverse float32) {
	if largest == 0 || !finite(largest) {
		return 1, 1
	}
	bits := math.Float32bits(largest)
	bits += 0xfff + bits>>13&1 // to nearest even at 10 bits of fraction
	exponent := int(bits>>23) - 127
	if exponent > 127 { // it decodes to infinity
		return 1, 1
	}
	e := min(13-exponent, 126)
	return powerOfTwo(e), powerOfTwo(-e)
}

func addFP16(dst []float32, src []byte, factor float32) {
	if len(dst) == 0 {
		return
	}
	factor *= getFloat(src)
	src = src[4:]
	n := 0
	if fast {
		if n = len(dst) &^ 15; n > 0 {
			addFP16AVX2(&dst[0], &src[0], n, factor)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] += float32(fromFP16(le.Uint16(src[2*i:])) * factor)
	}
}

func copyFP16(dst []float32, src []byte) {
	if len(dst) == 0 {
		return
	}
	factor := getFloat(src)
	src = src[4:]
	n := 0
	if fast {
		if n = len(dst) &^ 15; n > 0 {
			copyFP16AVX2(&dst[0], &src[0], n, factor)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] = fromFP16(le.Uint16(src[2*i:])) * factor
	}
}

// toFP16 rounds to the nearest binary16, ties to even, as VCVTPS2PH does.
func toFP16(x float32) uint16 {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := bits &^ (1 << 31)
	switch {
	case magnitude > 0xff<<23: // NaN, made quiet
		return sign | 0x7e00 | uint16(magnitude>>13&0x3ff)
	case magnitude >= 143<<23: // 2^16 and more
		return sign | 0x7c00
	case magnitude < 113<<23: // under 2^-14: a multiple of 2^-24
		// Adding 0.5 aligns the multiples of 2^-24 with the last bit of float32's fraction, and rounds.
		sum := math.Float32frombits(magnitude) + 0.5
		return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
	}
	magnitude += 0xfff + magnitude>>13&1
	return sign | uint16((magnitude-112<<23)>>13) // may round up into infinity, whose bits follow those of 65504
}

func fromFP16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(math.Float32bits(float32(fraction)*0x1p-24) | sign)
	case 0x1f:
		if fraction != 0 {
			fraction |= 1 << 9
		}
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
