package collbench

import "math"

// Numbers says which numbers a wire format of floating point carries.
type Numbers struct {
	// ExactBits: whole numbers up to 2^ExactBits pass unchanged.
	ExactBits int
	// MaxExponent: numbers below 2^MaxExponent are finite.
	MaxExponent int
}

// Float32 is IEEE 754 binary32.
var Float32 = Numbers{ExactBits: 24, MaxExponent: 127}

// maxLimit is as varied as values need be.
const maxLimit = 1 << 10

// limit is how large values may be so that a sum over all ranks is exact.
func (n Numbers) limit(ranks int) int { return min(maxLimit, 1<<n.ExactBits/ranks) }

// repeats is how often a buffer may be summed in place before it could overflow: each time multiplies it by the ranks.
func (n Numbers) repeats(ranks int) int {
	first := math.Log2(float64(n.limit(ranks)) * float64(ranks))
	return max(1, 1+int((float64(n.MaxExponent)-first)/math.Log2(float64(ranks))))
}

// value is element i of a rank's input: a whole number from -limit to limit.
func value(rank, i, limit int) int {
	x := uint32(i)*0x9E3779B1 + uint32(rank)*0x85EBCA77
	x ^= x >> 15
	x *= 0xC2B2AE3D
	x ^= x >> 13
	return int(uint64(x)*uint64(2*limit+1)>>32) - limit
}

// fill makes a rank's input.
func fill(dst []float32, rank, limit int) {
	for i := range dst {
		dst[i] = float32(value(rank, i, limit))
	}
}

// wrongSums counts the elements that are not the sum over all ranks.
func wrongSums(got []float32, ranks, limit int) (wrong int64) {
	for i, v := range got {
		sum := 0
		for r := range ranks {
			sum += value(r, i, limit)
		}
		if v != float32(sum) {
			wrong++
		}
	}
	return wrong
}

// wrongCopies counts the elements that are not those of a rank's input.
func wrongCopies(got []float32, rank, limit int) (wrong int64) {
	for i, v := range got {
		if v != float32(value(rank, i, limit)) {
			wrong++
		}
	}
	return wrong
}

// fillBytes makes a rank's part of a gather.
func fillBytes(dst []byte, rank int) {
	for i := range dst {
		dst[i] = byte(value(rank, i, math.MaxInt8))
	}
}

// wrongBytes counts the bytes that are not those of a rank's part; what is missing or too much is wrong too.
func wrongBytes(got []byte, rank, size int) (wrong int64) {
	for i, b := range got[:min(len(got), size)] {
		if b != byte(value(rank, i, math.MaxInt8)) {
			wrong++
		}
	}
	return wrong + int64(max(len(got), size)-min(len(got), size))
}
