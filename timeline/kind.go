package timeline

import "fmt"

// Kind is what a rank was busy with, or waited for.
type Kind uint8

const (
	// Data is the wait for the next batch.
	Data Kind = iota
	// Forward and Backward are the two passes over a micro-batch. Where the ranks share batch norm's moments, the
	// exchanges of Moments lie within.
	Forward
	Backward
	// Comm is the all-reduce of one bucket of gradients, from the moment at which it was handed to the ring to the moment
	// at which its sum was complete on this rank. It runs beside everything else.
	Comm
	// Wait is the training thread's wait for a bucket, or for the ranks' verdict on their losses (Bucket -1).
	Wait
	// Optimizer is the update (Bucket -1), or what is computed with one bucket's sum before it.
	Optimizer
	// Eval is the evaluation after an epoch.
	Eval
	// Check compares the parameters over all ranks.
	Check
	// Checkpoint writes the run's state, or waits for the rank that does.
	Checkpoint
	// Verdict is the all-reduce that tells all ranks whether all losses are finite; beside everything else, as Comm.
	Verdict
	// Moments is an exchange of batch norm's moments in the middle of a pass. The training thread waits for it.
	Moments
	// Return is a bucket's second collective, beside everything else, as Comm: the all-gather of the parameters that each rank
	// has updated, where the optimizer is sharded, or the second factor of PowerSGD.
	Return

	kinds
)

var kindNames = [kinds]string{"data", "forward", "backward", "comm", "wait", "optimizer", "eval", "check", "checkpoint", "verdict", "moments", "return"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// collective says that something of this kind runs on the ring, whatever the training thread does.
func (k Kind) collective() bool { return k == Comm || k == Verdict || k == Moments || k == Return }
