package allreduce

import "sync"

// Group is one rank's end of the ring in one view. One goroutine owns the protocol; the methods may be called from any, but
// the order of the collectives is the order of the calls, so one goroutine should make them.
type Group struct {
	cfg       Config
	transport Transport
	counters  counters

	starts  chan *Pending
	cancels chan error // the cause with which a caller gave up
	closing chan struct{}
	closed  sync.Once
	spares  chan *Pending // finished Pendings for reuse

	ended chan struct{} // closed when the owning goroutine has ended; err is set before
	err   error
}

// startQueue is how many collectives may wait for the owning goroutine to look at them.
const startQueue = 64

// New makes this rank's end of the ring. The group owns the transport from here on and closes it. A group of one
// (Config.Alone) has no transport: pass nil. Errors match ErrConfig.
func New(cfg Config, transport Transport) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if (transport == nil) != cfg.Alone {
		return nil, configError("a ring of %d ranks with Alone %v and transport %T", cfg.Size, cfg.Alone, transport)
	}
	g := &Group{
		cfg: cfg, transport: transport,
		starts: make(chan *Pending, startQueue), cancels: make(chan error), closing: make(chan struct{}),
		spares: make(chan *Pending, startQueue), ended: make(chan struct{}),
	}
	if cfg.Alone {
		return g, nil
	}
	l := &loop{Group: g, machine: newMachine(cfg, transport.Release)}
	go l.run()
	return g, nil
}

// Rank is this rank's index.
func (g *Group) Rank() int { return g.cfg.Rank }

// Size is the number of ranks.
func (g *Group) Size() int { return g.cfg.Size }

// Stats returns the counters at this moment.
func (g *Group) Stats() Stats { return g.counters.snapshot() }

// Done is closed when the group has failed or was closed; Err then says why.
func (g *Group) Done() <-chan struct{} { return g.ended }

// Err is the error that ended the group, nil while it lives.
func (g *Group) Err() error {
	select {
	case <-g.ended:
		return g.err
	default:
		return nil
	}
}

// Close ends the group and its transport, and returns when its goroutine has ended. While nothing is pending it says goodbye
// and waits for both neighbours to do the same, Config.Linger at most; pending collectives end with ErrClosed. It may be
// called again. The error is the transport's.
func (g *Group) Close() error {
	if g.cfg.Alone {
		g.closed.Do(func() {
			g.err = &Error{Kind: ErrClosed, Rank: g.cfg.Rank, Neighbour: -1}
			close(g.ended)
		})
		return nil
	}
	var err error
	g.closed.Do(func() {
		close(g.closing)
		<-g.ended
		err = g.transport.Close()
	})
	<-g.ended
	return err
}
