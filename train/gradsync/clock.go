package gradsync

import (
	"ringloom/allreduce"
	"ringloom/timeline"
)

// Clock is told where the training thread's time goes. Its methods do not block.
type Clock interface {
	// Charge books the time since the last call, or since the passes, to a part of the step: timeline.Wait, timeline.Optimizer.
	// bucket is -1 where it is none's.
	Charge(part timeline.Kind, bucket int)
	// Collective is told of one that has ended: a check of the losses, a sum of so many bytes as float32, or a bucket's second
	// collective. p is valid during the call alone.
	Collective(kind timeline.Kind, bucket int, bytes int64, p *allreduce.Pending)
}
