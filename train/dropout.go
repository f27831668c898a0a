package train

import "ringloom/internal/splitmix"

// dropoutKey is the key of the dropout layers in one micro-batch: another for every rank, step (counted over the whole
// run) and micro-batch, and for every seed. For one seed no two of less than 2^16 ranks, 2^16 micro-batches and 2^32 steps
// share a key: all that happens to the packed number can be undone.
func dropoutKey(seed uint64, rank, step, micro int) uint64 {
	place := uint64(step)<<32 | uint64(rank)<<16 | uint64(micro)
	return splitmix.Mix(place ^ splitmix.Mix(seed))
}
