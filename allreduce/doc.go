// Package allreduce sums float32 vectors over a ring of ranks, and broadcasts, gathers and synchronises over the same ring.
//
// # Use
//
// A [Group] is one rank's end of the ring in one view (generation) of the cluster:
//
//	group, err := allreduce.New(cfg, transport)
//	defer group.Close()
//	err = group.Broadcast(ctx, parameters, 0)
//	pending := group.Start(gradients, bucket) // while backward still runs
//	err = pending.Wait(ctx)
//
// # Ordering
//
// All ranks start the same collectives in the same order, with the same lengths and bucket numbers; a difference is an
// [ErrMismatch]. Collectives run first in, first out. The last chunks of one overlap with the first of the next.
//
// The result of AllReduce is bit-identical on all ranks and from run to run at the same number of ranks: segment j is always
// summed as ((x_j + x_j+1) + x_j+2) + ..., indices modulo the size, and the finished sum is copied, not summed again.
//
// # What blocks
//
// StartAllReduce does not wait for a peer. Wait, AllReduce, Broadcast, Barrier and AllGatherBytes block until this rank's part is done, the
// group fails, or the context ends. A buffer belongs to the group from Start until Wait has returned; it is not touched after.
//
// # Failure
//
// The first error ends the group: everything pending and everything later returns it, and both neighbours are told, so that it
// travels round the ring. Errors are *[Error] and match one of the Err... sentinels. A context that ends in mid-collective ends
// the group too, because the peers can no longer finish; the call then returns context.Cause. There is no reconnecting: the
// caller forms a new view and a new group.
//
// # Shut down
//
// Close of a healthy group says goodbye to both neighbours and waits (Config.Linger at most) for theirs, so that nobody takes
// an orderly exit for a loss. Close returns only after the group's goroutine has ended.
//
// # Inside
//
// The protocol is the pure state machine in machine.go: frames in, frames out, no goroutine, no clock, no socket. Group is the
// thin shell around it with one goroutine. WIRE.md has the frame as a byte diagram. The algorithm is the ring all-reduce of
// Patarasu and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations" (2009).
//
// # Testing with it
//
// Package allreducetest has an in-memory ring with seeded faults: N ranks run in one test process.
// Package natsring is the transport over NATS, and natsringtest a proxy that mistreats what it sends.
package allreduce
