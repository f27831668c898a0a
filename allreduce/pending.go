package allreduce

import (
	"context"
	"time"

	"ringloom/internal/split"
)

// Pending is a collective that runs in the background.
type Pending struct {
	group    *Group
	parts    []part // by ring
	used     int    // how many of parts take part, from the first
	started  time.Time
	finished time.Time
}

// part is what one ring has of a collective.
type part struct {
	op       operation
	finished time.Time
	done     chan struct{} // holds one token when the part has finished
}

// Wait returns when this rank's part of the collective is done, the group has failed, or ctx has ended; then it returns
// context.Cause(ctx) and the group has ended too. After it the group no longer touches the buffer. It is called exactly
// once: the Pending is reused by a later Start.
func (p *Pending) Wait(ctx context.Context) error {
	g := p.group
	if g.cfg.Alone {
		if err := g.awaitAlone(ctx); err != nil {
			return err
		}
		p.finished = p.started
		return g.recycle(p)
	}
	for i := range p.parts[:p.used] {
		if err := g.await(ctx, &p.parts[i]); err != nil {
			return err
		}
		if f := p.parts[i].finished; i == 0 || f.After(p.finished) {
			p.finished = f
		}
	}
	return g.recycle(p)
}

// Times returns when the collective was started and when this rank's part in it was done, whether or not anybody was
// waiting by then. They are valid after Wait has returned nil, until the next Start.
func (p *Pending) Times() (started, finished time.Time) { return p.started, p.finished }

// begin hands an operation to the owning goroutines. If they have ended, Wait says why.
func (g *Group) begin(op operation) *Pending {
	var p *Pending
	select {
	case p = <-g.spares:
	default:
		p = &Pending{group: g, parts: make([]part, len(g.lanes))}
		for i := range p.parts {
			p.parts[i].done = make(chan struct{}, 1)
		}
	}
	p.started = time.Now()
	p.used = g.cfg.stripes(len(op.vector))
	for i := range p.used {
		part := &p.parts[i]
		part.op = op
		if p.used > 1 {
			from, to := split.Part(len(op.vector), p.used, i)
			part.op.vector, part.op.others = op.vector[from:to], len(op.vector)-(to-from)
			if op.residual != nil {
				part.op.residual = op.residual[from:to]
			}
		}
		select {
		case g.lanes[i].starts <- part:
		case <-g.lanes[i].ended:
		}
	}
	return p
}

// stripes is the number of rings among which a vector of so many elements is divided. It must be the same on all ranks.
func (c Config) stripes(length int) int {
	return min(c.Rings, max(1, 4*length/StripeBytes))
}

// recycle keeps a finished Pending for the next Start, without its buffers.
func (g *Group) recycle(p *Pending) error {
	for i := range p.parts[:p.used] {
		p.parts[i].op = operation{}
	}
	select {
	case g.spares <- p:
	default:
	}
	return nil
}

// await waits for one part.
func (g *Group) await(ctx context.Context, p *part) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case <-p.done:
		return nil
	case <-g.ended:
		select {
		case <-p.done:
			return nil
		default:
			return g.err
		}
	case <-ctx.Done():
		cause := context.Cause(ctx)
		select {
		case g.lanes[0].cancels <- cause: // which ends the others
		case <-g.lanes[0].ended:
		}
		<-g.ended
		return cause
	}
}

func (g *Group) awaitAlone(ctx context.Context) error {
	if err := g.Err(); err != nil {
		return err
	}
	return context.Cause(ctx)
}
