// Package tune finds a configuration of the ring that is fast for given vectors, by trying.
//
//	result, err := tune.Ring(ctx, tune.Config{Base: cfg, Lengths: lengths, Format: format}, open)
//
// All ranks call Ring with the same arguments at the same time. Each trial is a ring of its own over the same
// neighbours, over which all vectors are summed at once, as a training step does, a few times. What counts is the best
// round of a trial, where a round takes as long as its slowest rank: a shared machine is slower at times, but never
// faster than it is. The ranks exchange their times, so all come to the same choice.
//
// The search is greedy: the size of chunks first, then the window, then the number of rings, each with the best of what
// came before. A candidate must be better than the best so far by Config.Gain, so that noise alone moves nothing.
//
// Ring blocks until it is done, the context ends or a trial's ring fails, and leaves no ring open.
package tune
