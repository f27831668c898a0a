// Package train is the one place where the model, the data, the ring and the cluster meet: synchronous data-parallel
// training of one rank.
//
// A Worker owns a device, the parameters and the optimizer. Run locks its goroutine to an OS thread (the devices bind
// state to it), broadcasts rank 0's parameters, and then repeats the step of step.go, which is the place to start reading:
// load this rank's part of the global batch, forward, backward, wait for the sums of all ranks, clip, commit. Nothing of a
// step is visible before its commit; a step that fails is dropped and leaves the state as it was. The loss kernel divides
// by the size of the global batch, so the ring's plain sum is the exact average over samples, uneven last batches included.
//
// Package gradsync has what becomes of gradients on the way: buckets, accumulation, wire formats, error feedback, PowerSGD,
// the sharded optimizer. Package optim has the optimizers and schedules. Whatever the way, all ranks end a step with the
// same bits.
//
// Batch norm takes each rank's own samples, and each rank has running moments of its own; or, with Config.SyncBatchNorm,
// all ranks average the moments in the middle of each pass. These exchanges wait, between the buckets' that do not. They
// come at the same places on every rank, because a rank without samples runs a pass whose results it throws away.
//
// On an op.Accelerator a step is queued, and the host waits for the loss alone: of the ranks together it then waits for
// each bucket's gradients to arrive in their mirror, and starts its sum. The collectives come in the same order as on a
// device that computes in the host's memory, so that ranks of both kinds train together. What is written down, compared or
// broadcast is pulled before and pushed behind. Times are the accelerator's own (meter.go). Package acceltest has an
// accelerator in memory for tests.
//
// After each epoch every rank evaluates its part of the test set, with the mean of the ranks' running moments, and the
// ranks exchange their exact counts; Options.OnEpoch gets the outcome. Options.OnState gets what the run needs to go on,
// to be written down with the parameters and the optimizer's memory; Worker.Resume continues from it to the bit.
//
// Options.Recorder gets what the rank does and when: each part of each step on the training thread, and each bucket's way
// over the ring beside it.
//
// Run blocks until training ends, the context is cancelled or the ring fails; it stops at the next step boundary or
// inside the collective that it waits for, and leaves no goroutine behind. To test with it, give every rank a Group
// over allreducetest's in-memory transport, as example_test.go does.
package train
