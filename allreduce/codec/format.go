package codec

import (
	"fmt"
	"strings"

	"ringloom/internal/float32le"
)

// Format is how float32 values travel.
type Format uint8

// The formats; the numbers are the dtype of a frame (allreduce/WIRE.md).
const (
	Float32 Format = 1
	BF16    Format = 3
	FP16    Format = 4
	Int8    Format = 5
)

// Formats lists all of them, the exact one first.
func Formats() []Format { return []Format{Float32, BF16, FP16, Int8} }

func (f Format) String() string {
	switch f {
	case Float32:
		return "float32"
	case BF16:
		return "bf16"
	case FP16:
		return "fp16"
	case Int8:
		return "int8"
	}
	return fmt.Sprintf("unknown format %d", uint8(f))
}

// Parse is the format called name.
func Parse(name string) (Format, error) {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		if f.String() == name {
			return f, nil
		}
		names = append(names, f.String())
	}
	return 0, fmt.Errorf("%q: choose one of %s", name, strings.Join(names, ", "))
}

// Lossy says whether values lose precision.
func (f Format) Lossy() bool { return f != Float32 }

// blockLen is the number of elements that share a scale of Int8.
const blockLen = 256

// Size is the number of bytes of n encoded elements.
func (f Format) Size(n int) int {
	switch f {
	case BF16:
		return 2 * n
	case FP16:
		if n == 0 {
			return 0
		}
		return 4 + 2*n
	case Int8:
		return n + 4*blocks(n)
	}
	return 4 * n
}

// Fit is the largest number of elements that take no more than size bytes; 0 if not even one fits.
func (f Format) Fit(size int) int {
	switch f {
	case BF16:
		return size / 2
	case FP16:
		return max(0, (size-4)/2)
	case Int8:
		whole, rest := size/(blockLen+4), size%(blockLen+4)
		return whole*blockLen + max(0, rest-4)
	}
	return size / 4
}

func blocks(n int) int { return (n + blockLen - 1) / blockLen }

// Encode sets dst, of Size(len(src)) bytes, to src in this format.
func (f Format) Encode(dst []byte, src []float32) {
	switch f {
	case Float32:
		float32le.Put(dst, src)
	case BF16:
		encodeBF16(dst, src)
	case FP16:
		encodeFP16(dst, src)
	case Int8:
		encodeInt8(dst, src)
	}
}

// Add adds the values in src, of Size(len(dst)) bytes, to dst.
func (f Format) Add(dst []float32, src []byte) { f.addTimes(dst, src, 1) }

// EncodeResidual encodes src+residual and leaves in residual, of as many elements, what the encoding has lost. src stays.
func (f Format) EncodeResidual(dst []byte, src, residual []float32) {
	accumulate(residual, src)
	f.Encode(dst, residual)
	f.addTimes(residual, dst, -1)
}

// addTimes adds factor times the values in src to dst; factor is 1 or -1.
func (f Format) addTimes(dst []float32, src []byte, factor float32) {
	switch f {
	case Float32:
		if factor == 1 {
			addFloats(dst, src)
			return
		}
		for i := range dst {
			dst[i] -= getFloat(src[4*i:])
		}
	case BF16:
		addBF16(dst, src, factor)
	case FP16:
		addFP16(dst, src, factor)
	case Int8:
		addInt8(dst, src, factor)
	}
}

// Copy sets dst to the values in src, of Size(len(dst)) bytes.
func (f Format) Copy(dst []float32, src []byte) {
	switch f {
	case Float32:
		float32le.Get(dst, src)
	case BF16:
		copyBF16(dst, src)
	case FP16:
		copyFP16(dst, src)
	case Int8:
		copyInt8(dst, src)
	}
}
