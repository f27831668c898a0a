package collective

import (
	"math"

	"ringloom/allreduce/codec"
)

// Numbers says which numbers a wire format carries.
type Numbers struct {
	// ExactBits: whole numbers up to 2^ExactBits pass unchanged, but for Loss.
	ExactBits int
	// MaxExponent: numbers below 2^MaxExponent are finite.
	MaxExponent int
	// Loss is what an encoding may take from a value, as a fraction of the largest one that is encoded with it. 0 where
	// whole numbers are exact.
	Loss float64
}

// NumbersOf is what a format carries (package codec has the formats).
func NumbersOf(f codec.Format) Numbers {
	n := Numbers{ExactBits: 24, MaxExponent: 127}
	switch f {
	case codec.BF16:
		n.ExactBits = 8
	case codec.FP16:
		n.ExactBits = 11
	case codec.Int8:
		n.Loss = 0.5 / math.MaxInt8 // half a step of the largest value's 127
	}
	return n
}

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

// tolerance is how far a sum over all ranks may be off: 0 but for formats that lose something. A sum is encoded when it has
// the values of 1, 2, ... ranks in it; in an all-reduce also when it has all of them.
func (n Numbers) tolerance(op Op, ranks int) float32 {
	const rounding = 1.001 // of the scales themselves
	encoded := ranks - 1
	if op == AllReduce {
		encoded = ranks
	}
	return float32(rounding * n.Loss * float64(n.limit(ranks)) * float64(encoded*(encoded+1)/2))
}

// wrongSums counts the elements, the first of which has index first, that are not the sum over all ranks, to within the
// tolerance.
func wrongSums(got []float32, first, ranks, limit int, tolerance float32) (wrong int64) {
	for i, v := range got {
		sum := 0
		for r := range ranks {
			sum += value(r, first+i, limit)
		}
		if d := v - float32(sum); !(d >= -tolerance && d <= tolerance) {
			wrong++
		}
	}
	return wrong
}

// wrongCopies counts the elements, the first of which has index first, that are not those of a rank's input.
func wrongCopies(got []float32, first, rank, limit int) (wrong int64) {
	for i, v := range got {
		if v != float32(value(rank, first+i, limit)) {
			wrong++
		}
	}
	return wrong
}

// fillBytes makes a rank's block.
func fillBytes(dst []byte, rank int) {
	for i := range dst {
		dst[i] = byte(value(rank, i, math.MaxInt8))
	}
}

// wrongBytes counts the bytes that are not those of a rank's block; what is missing or too much is wrong too.
func wrongBytes(got []byte, rank, size int) (wrong int64) {
	for i, b := range got[:min(len(got), size)] {
		if b != byte(value(rank, i, math.MaxInt8)) {
			wrong++
		}
	}
	return wrong + int64(max(len(got), size)-min(len(got), size))
}
