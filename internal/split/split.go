// Package split divides a sequence among equals: samples among ranks, a vector among the steps of a ring.
package split

// Part is the part [from, to) with index i, from 0, of a sequence of length items that is cut into contiguous parts, in order.
// Sizes differ by at most one: the first length mod parts of them have the larger. Parts beyond the length are empty.
func Part(length, parts, i int) (from, to int) {
	size, larger := length/parts, length%parts
	from = i*size + min(i, larger)
	to = from + size
	if i < larger {
		to++
	}
	return from, to
}
