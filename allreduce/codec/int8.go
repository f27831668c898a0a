package codec

import "math"

// tinyBlock is the largest magnitude under which a block of Int8 is taken for zeros, as 1/scale would overflow.
const tinyBlock = 0x1p-110

// encodeInt8 scales each block so that its largest magnitude becomes 127.
func encodeInt8(dst []byte, src []float32) {
	scales, values := dst[:4*blocks(len(src))], dst[4*blocks(len(src)):]
	for b := 0; len(src) > 0; b++ {
		n := min(blockLen, len(src))
		scale := int8Scale(absMax(src[:n]))
		le.PutUint32(scales[4*b:], math.Float32bits(scale))
		quantize(values[:n], src[:n], scale)
		src, values = src[n:], values[n:]
	}
}

// int8Scale is the largest magnitude over 127, rounded up to 16 significant bits. Its products with the integers up to
// 127 are exact, and the largest of them over 127 is the scale itself: so encoding what was decoded changes nothing.
func int8Scale(largest float32) float32 {
	switch {
	case !finite(largest):
		return float32(math.NaN())
	case largest < tinyBlock:
		return 0
	}
	scale := math.Float32frombits((math.Float32bits(largest/127) + 0xff) &^ 0xff)
	if !finite(127 * scale) {
		return float32(math.NaN())
	}
	return scale
}

func quantize(dst []byte, src []float32, scale float32) {
	if scale == 0 || scale != scale {
		clear(dst)
		return
	}
	inverse := 1 / scale
	n := 0
	if fast {
		if n = len(src) &^ 31; n > 0 {
			quantizeAVX2(&dst[0], &src[0], n, inverse)
		}
	}
	for i := n; i < len(src); i++ {
		dst[i] = byte(int8(math.RoundToEven(float64(float32(src[i] * inverse)))))
	}
}

func addInt8(dst []float32, src []byte, factor float32) { eachBlock(dst, src, factor, addBlock) }

func copyInt8(dst []float32, src []byte) { eachBlock(dst, src, 1, copyBlock) }

// eachBlock hands every block of the encoded src to decode, with where it belongs and factor times its scale.
func eachBlock(dst []float32, src []byte, factor float32, decode func(dst []float32, src []byte, scale float32)) {
	scales, values := src[:4*blocks(len(dst))], src[4*blocks(len(dst)):]
	for b := 0; len(dst) > 0; b++ {
		n := min(blockLen, len(dst))
		decode(dst[:n], values[:n], getFloat(scales[4*b:])*factor)
		dst, values = dst[n:], values[n:]
	}
}

func addBlock(dst []float32, src []byte, scale float32) {
	n := 0
	if fast {
		if n = len(dst) &^ 31; n > 0 {
			addInt8AVX2(&dst[0], &src[0], n, scale)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] += float32(float32(int8(src[i])) * scale)
	}
}

func copyBlock(dst []float32, src []byte, scale float32) {
	n := 0
	if fast {
		if n = len(dst) &^ 31; n > 0 {
			copyInt8AVX2(&dst[0], &src[0], n, scale)
		}
	}
	for i := n; i < len(dst); i++ {
		dst[i] = float32(int8(src[i])) * scale
	}
}
