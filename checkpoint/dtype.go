package checkpoint

import (
	"encoding/binary"
	"math"
)

// dtype is a type of elements that the reader takes.
type dtype struct {
	bytes int64
	// float converts an element; nil for integers, which are I64.
	float func(element []byte) float32
}

var dtypes = map[string]dtype{
	"F64":  {8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
	"F32":  {4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }},
	"F16":  {2, func(b []byte) float32 { return float16(binary.LittleEndian.Uint16(b)) }},
	"BF16": {2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }},
	"I64":  {8, nil},
}

// float16 is the value of IEEE 754 binary16 bits.
func float16(bits uint16) float32 {
	const (
		fractionBits = 10
		special      = 31 // exponent of infinities and NaNs
		bias         = 15
	)
	fraction, exponent := bits&(1<<fractionBits-1), bits>>fractionBits&31
	var v float64
	switch {
	case exponent == special && fraction != 0:
		v = math.NaN()
	case exponent == special:
		v = math.Inf(1)
	case exponent == 0:
		v = math.Ldexp(float64(fraction), 1-bias-fractionBits)
	default:
		v = math.Ldexp(float64(fraction|1<<fractionBits), int(exponent)-bias-fractionBits)
	}
	if bits>>15 != 0 {
		v = -v
	}
	return float32(v)
}
