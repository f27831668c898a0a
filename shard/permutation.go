package shard

import "math/bits"

// splitmix is the SplitMix64 generator (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA
// 2014). It is written out here because the order of samples is part of what makes a run repeatable: it must not
// change with the Go version, as math/rand's streams may.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below returns a uniform number in [0, n), n > 0, without bias: the high word of a 64x64 product, drawn again in
// the few cases that would favour some numbers (Lemire: Fast Random Integer Generation in an Interval, 2019).
func (s *splitmix) below(n uint64) uint64 {
	hi, lo := bits.Mul64(s.next(), n)
	if lo < n {
		for reject := -n % n; lo < reject; {
			hi, lo = bits.Mul64(s.next(), n)
		}
	}
	return hi
}

// permute overwrites dst with the permutation of [0, len(dst)) that belongs to a seed and an epoch: Fisher and
// Yates's shuffle from the last element down. The stream starts at the seed's first output plus the epoch, passed
// through the generator once more, so neighbouring seeds and epochs share no part of their streams.
func permute(dst []int32, seed uint64, epoch int) {
	start := splitmix(seed)
	start = splitmix(start.next() + uint64(epoch))
	rng := splitmix(start.next())
	identity(dst)
	for i := len(dst) - 1; i > 0; i-- {
		j := rng.below(uint64(i + 1))
		dst[i], dst[j] = dst[j], dst[i]
	}
}

func identity(dst []int32) {
	for i := range dst {
		dst[i] = int32(i)
	}
}
