// Package codec holds the number formats in which the ring sends float32 vectors: [Float32], [BF16], [FP16] and [Int8].
//
// A sender encodes a chunk, a receiver adds the decoded values to its own ([Format.Add]) or takes them over
// ([Format.Copy]). All but Float32 lose precision.
//
// # Idempotence
//
// Encoding what was decoded gives the same bytes, for the same chunk: x = decode(b) implies encode(x) = b. So a
// finished sum that is passed round the ring, decoded and encoded again at each rank, is the same on all of them. Tests
// and a fuzz target hold every format to it.
//
// # Error feedback
//
// [Format.EncodeResidual] adds what earlier encodings of the same elements have lost before it encodes, and remembers
// what this one loses (Seide et al., "1-bit stochastic gradient descent", 2014; Karimireddy et al., arXiv:1901.09847).
// Over many steps nothing is lost.
//
// # Formats
//
// All numbers are little-endian. n is the number of elements of a chunk.
//
//	Float32  4n bytes: the values
//	BF16     2n bytes: the upper halves of the values, rounded to nearest even
//	FP16     4+2n bytes: a float32 power of two, then IEEE binary16 values that are to be multiplied by it. The largest
//	         magnitude of a chunk lies in [2^13, 2^14] before it is multiplied, so neither small nor large gradients leave
//	         the narrow range of binary16
//	Int8     n+4*ceil(n/256) bytes: a float32 scale for each 256 elements, then signed bytes -127 to 127 that are to be
//	         multiplied by it. A block with an infinity or NaN has the scale NaN and decodes to NaN
//
// The same bits come out on every machine: with AVX2 and F16C on amd64, elsewhere in plain Go.
package codec
