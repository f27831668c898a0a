// Package allreduce runs the collectives of data-parallel training over a ring of ranks: all-reduce, reduce-scatter,
// all-gather, broadcast and barrier.
//
// # Use
//
// A [Group] is one rank's end of the ring in one view (generation) of the cluster:
//
//	group, err := allreduce.New(cfg, transport)
//	defer group.Close()
//	err = group.Broadcast(ctx, parameters, 0)
//	pending := group.StartAllReduce(gradients, allreduce.Sum{Bucket: bucket}) // while backward still runs
//	err = pending.Wait(ctx)
//
// # Collectives
//
// Vectors are float32 and are changed in place. Those that Start return a [Pending] at once.
//
//	all-reduce          StartAllReduce, AllReduce          the sum over all ranks, on every rank
//	reduce-scatter      StartReduceScatter, ReduceScatter  each rank has its Shard of the sum
//	all-gather          StartAllGather, AllGather          every rank has all ranks' shards
//	broadcast           Broadcast                          every rank has the root's vector
//	barrier             Barrier                            returns when every rank has called it
//	all-gather          AllGatherBytes, AllGatherJSON      every rank has all ranks' bytes, or values
//	broadcast           BroadcastBytes                     every rank has the root's bytes
//
// # Ordering
//
// All ranks start the same collectives in the same order, with the same lengths and bucket numbers; a difference is an
// [ErrMismatch]. Collectives run first in, first out. The last chunks of one overlap with the first of the next.
//
// The result of AllReduce is bit-identical on all ranks and from run to run at the same number of ranks: segment j is
// always summed as ((x_j + x_j+1) + x_j+2) + ..., indices modulo the size, and the finished sum is copied, not summed
// again.
//
// # What blocks
//
// The methods that Start a collective do not wait for a peer. Wait and all others block until this rank's part is done,
// the group fails, or the context ends. A buffer belongs to the group from Start until Wait has returned; it is not
// touched after.
//
// # Failure
//
// The first error ends the group: everything pending and everything later returns it, and both neighbours are told, so
// that it travels round the ring. Errors are *[Error] and match one of the Err... sentinels. A context that ends in
// mid-collective ends the group too, because the peers can no longer finish; the call then returns context.Cause. There
// is no reconnecting: the caller forms a new view and a new group.
//
// # Shut down
//
// Close of a healthy group says goodbye to both neighbours and waits (Config.Linger at most) for theirs, so that nobody
// takes an orderly exit for a loss. Close returns only after the group's goroutines have ended.
//
// # Inside
//
// The protocol is the pure state machine in machine.go: frames in, frames out, no goroutine, no clock, no socket. Group
// is the thin shell around it, with one goroutine for each ring. WIRE.md has the frame as a byte diagram. The algorithm
// is the ring all-reduce of Patarasu and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations"
// (2009).
//
// # Testing with it, and other transports
//
// Package allreducetest has an in-memory ring with seeded faults: N ranks run in one test process. Package natsring is
// the transport over NATS, and natsringtest a proxy that mistreats what it sends. A [Transport] of your own carries
// frames between neighbours, in order; the example of it does so over Go channels.
package allreduce
