// Package shard decides which sample goes to which rank in which step. Everything in it is a pure function of
// (seed, epoch, world size, rank, position): no rank ever asks another one, and a run can be resumed anywhere.
//
// An epoch is one permutation of the samples. Its global batch b is positions [b*G, min((b+1)*G, n)) of that
// permutation, whatever the world size, and every global batch is cut into contiguous parts, one per rank, whose sizes
// differ by at most one. It follows that
//
//   - every sample is used exactly once an epoch;
//   - all ranks take the same number of steps (a rank's part of a small last batch may be empty);
//   - one rank with a global batch of 256 and four ranks with 64 each see the same global batches, so their losses
//     agree up to rounding;
//   - (epoch, step) is a cursor that means the same for every world size: a run saved at one size resumes at another
//     without repeating or skipping a sample.
//
// Evaluation splits the samples in order and neither pads nor repeats, see [EvalRange].
//
// A Sampler belongs to one goroutine, usually the one that prefetches. It keeps the permutation of the epoch it was
// last asked for; asking for batches of one epoch after the other allocates nothing.
package shard
