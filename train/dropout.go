package train

// dropoutKey is the key of the dropout layers in one micro-batch: another for every rank, step (counted over the whole
// run) and micro-batch, and for every seed. For one seed no two of less than 2^16 ranks, 2^16 micro-batches and 2^32 steps
// share a key: all that happens to the packed number can be undone.
func dropoutKey(seed uint64, rank, step, micro int) uint64 {
	place := uint64(step)<<32 | uint64(rank)<<16 | uint64(micro)
	return splitmix64(place ^ splitmix64(seed))
}

// splitmix64 is the mixing of S. Vigna's generator of that name, a bijection.
func splitmix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
