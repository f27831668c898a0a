package allreduce

import "context"

// Pending is an all-reduce that runs in the background.
type Pending struct {
	group *Group
	op    operation
	done  chan struct{} // holds one token when the collective has finished
}

// Wait returns when the sum stands in the buffer, the group has failed, or ctx has ended; then it returns context.Cause(ctx)
// and the group has ended too. After it the group no longer touches the buffer. It is called exactly once: the Pending is
// reused by a later Start.
func (p *Pending) Wait(ctx context.Context) error { return p.group.await(ctx, p) }

// Start begins to sum buf over all ranks, in place, and returns at once. Buckets are summed in the order of the calls, which
// must be the same on all ranks. The buffer belongs to the group until Wait has returned.
func (g *Group) Start(buf []float32, bucket int) *Pending {
	return g.begin(operation{kind: opAllReduce, vector: buf, bucket: uint32(bucket)})
}

// begin hands an operation to the owning goroutine. If that has ended, Wait says why.
func (g *Group) begin(op operation) *Pending {
	var p *Pending
	select {
	case p = <-g.spares:
	default:
		p = &Pending{group: g, done: make(chan struct{}, 1)}
	}
	p.op = op
	if g.cfg.Alone {
		return p
	}
	select {
	case g.starts <- p:
	case <-g.ended:
	}
	return p
}

// recycle keeps a finished Pending for the next Start, without its buffers.
func (g *Group) recycle(p *Pending) error {
	p.op = operation{}
	select {
	case g.spares <- p:
	default:
	}
	return nil
}

// await waits for a Pending; see Pending.Wait.
func (g *Group) await(ctx context.Context, p *Pending) error {
	if g.cfg.Alone {
		if err := g.awaitAlone(ctx); err != nil {
			return err
		}
		return g.recycle(p)
	}
	select {
	case <-p.done:
		return g.recycle(p)
	default:
	}
	select {
	case <-p.done:
		return g.recycle(p)
	case <-g.ended:
		select {
		case <-p.done:
			return g.recycle(p)
		default:
			return g.err
		}
	case <-ctx.Done():
		cause := context.Cause(ctx)
		select {
		case g.cancels <- cause:
			<-g.ended
		case <-g.ended:
		}
		return cause
	}
}

func (g *Group) awaitAlone(ctx context.Context) error {
	if err := g.Err(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
