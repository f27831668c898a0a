package allreduce

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Group is one rank's end of the ring in one view. A goroutine for each of Config.Rings owns the protocol; the methods
// may be called from any, but the order of the collectives is the order of the calls, so one goroutine should make
// them.
type Group struct {
	cfg    Config
	lanes  []*lane // by ring; none for a group of one
	closed sync.Once
	spares chan *Pending // finished Pendings for reuse
	// waiting is the number of callers that are blocked in Wait.
	waiting atomic.Int32

	mu      sync.Mutex // guards what follows until ended
	running int        // lanes
	err     error
	ended   chan struct{} // closed when all lanes have ended; err is set before
}

// lane is one ring of a group: the part that its goroutine shares with the callers'.
type lane struct {
	group     *Group
	cfg       Config
	transport Transport
	counters  counters

	starts  chan *part
	cancels chan error    // the cause with which a caller gave up
	stop    chan error    // another lane's failure
	closing chan struct{} // closed by Close
	ended   chan struct{}
}

// startQueue is how many collectives may wait for the owning goroutine to look at them.
const startQueue = 64

// New makes this rank's end of the ring, over as many transports as Config.Rings says. The group owns them from here on
// and closes them. A group of one (Config.Alone) has none. Errors match ErrConfig.
func New(cfg Config, transports ...Transport) (*Group, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Alone {
		if len(transports) > 0 {
			return nil, configError("a group of one has no use for %d transports", len(transports))
		}
		cfg.Rings = 0
	}
	if len(transports) != cfg.Rings {
		return nil, configError("%d transports for %d rings", len(transports), cfg.Rings)
	}
	g := &Group{
		cfg: cfg, running: cfg.Rings,
		spares: make(chan *Pending, startQueue), ended: make(chan struct{}),
	}
	for _, t := range transports {
		g.lanes = append(g.lanes, &lane{
			group: g, cfg: cfg, transport: t,
			starts: make(chan *part, startQueue), cancels: make(chan error), stop: make(chan error, 1),
			closing: make(chan struct{}), ended: make(chan struct{}),
		})
	}
	for i, l := range g.lanes {
		m := newMachine(cfg, i, l.transport.Release)
		if s, ok := l.transport.(Sealer); ok {
			m.seals = [2]bool{Prev: s.Seals(Prev), Next: s.Seals(Next)}
		}
		go (&loop{lane: l, machine: m}).run()
	}
	return g, nil
}

// laneEnded records why a lane has ended. The first failure ends the other lanes too.
func (g *Group) laneEnded(ended *lane, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
		if !errors.Is(err, ErrClosed) { // then Close has told them all
			for _, l := range g.lanes {
				if l != ended {
					l.stop <- err // has room for one, and only one is ever sent
				}
			}
		}
	}
	close(ended.ended)
	if g.running--; g.running == 0 {
		close(g.ended)
	}
}

// Rank is this rank's index.
func (g *Group) Rank() int { return g.cfg.Rank }

// WorldSize is the number of ranks.
func (g *Group) WorldSize() int { return g.cfg.WorldSize }

// Config is what the group was made with.
func (g *Group) Config() Config { return g.cfg }

// Describe says in a few words how frames travel from this rank, for people.
func (g *Group) Describe() string {
	if g.cfg.Alone {
		return "none"
	}
	return g.lanes[0].transport.Describe()
}

// Stats returns the counters at this moment, added up over the rings.
func (g *Group) Stats() Stats {
	var s Stats
	for _, l := range g.lanes {
		l.counters.addTo(&s)
	}
	return s
}

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

// Close ends the group and its transports, and returns when its goroutines have ended. While nothing is pending it says
// goodbye and waits for both neighbours to do the same, Config.Linger at most; pending collectives end with ErrClosed.
// It may be called again. The error is the transports'.
func (g *Group) Close() error {
	var err error
	g.closed.Do(func() {
		if g.cfg.Alone {
			g.err = &Error{Kind: ErrClosed, Rank: g.cfg.Rank, Neighbour: -1}
			close(g.ended)
			return
		}
		for _, l := range g.lanes {
			close(l.closing)
		}
		<-g.ended
		errs := make([]error, len(g.lanes))
		var wg sync.WaitGroup
		for i, l := range g.lanes {
			wg.Go(func() { errs[i] = l.transport.Close() })
		}
		wg.Wait()
		err = errors.Join(errs...)
	})
	<-g.ended
	return err
}
