// Package gradsync owns the gradients of a training step, from "final on the device" to "applied": buckets, copies between
// an accelerator and the host, accumulation over micro-batches, wire formats with error feedback, PowerSGD, the sharded
// optimizer, the norm that clipping needs, and the check that every rank's loss is finite.
//
// A step is a few verbs, in this order:
//
//	s.Begin(step)
//	s.Accumulate()                 // behind each micro-batch but the last
//	s.Announce(losses)             // this rank's losses are, or are not, finite; no bucket leaves before
//	s.Ready(param)                 // a gradient of the last micro-batch is final: complete buckets leave
//	err = s.Flush()                // everything has left
//	err = s.Wait(ctx)              // the sums of all ranks stand in the gradient memory
//	norm, err := s.Norm(ctx)       // of the whole gradient, where it is clipped
//	err = s.Commit(ctx, rate, scale)
//
// Nothing of a step is visible before Commit: parameters, the optimizer's memory, residuals of error feedback and
// PowerSGD's factors are those of the step before. Abort takes the place of any verb behind Begin and leaves them so: the
// same step can then be taken again and has the same bits. Commit is where it becomes irrevocable.
//
// Which verb may follow which is a pure state machine (phase.go), and so is the order in which buckets leave (flow.go):
// every rank starts the same collectives in the same order, the check of the losses first, then the buckets of the plan,
// the last layer's first. A verb out of order is its caller's mistake and panics. Ready cannot return an error, for it is
// called in the middle of the backward pass: Flush does.
//
// A Sync belongs to the training thread. Ready and Flush block for a copy from an accelerator at most; Wait, Norm and
// Commit block for the other ranks and end with the context's cause. After an error of theirs the group has ended, unless
// the error is a LossError: then all ranks have it alike. To test with it, give each rank a group of allreducetest.
package gradsync
