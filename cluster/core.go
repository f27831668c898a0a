package cluster

import (
	"fmt"
	"slices"
	"time"
)

// phase is where a node is in the life of its job.
type phase int

const (
	forming phase = iota // gathers members
	running              // has a view
	ended                // had a view
	failed               // never had one and will not
)

// core is the membership state machine. It has no goroutine, socket or clock: every input comes with its time, and
// every input may add actions, which the caller takes and performs. Messages from one peer must come in their order and
// once.
type core struct {
	self     Member
	job      string
	digest   Digest
	size     int
	started  time.Time
	deadline time.Time // of forming

	phase phase
	peers map[string]*peer // alive, by identifier
	gone  map[string]bool  // said bye: never come back, whatever gossip still says

	attempt  uint64               // number of this node's last proposal
	proposed *proposal            // this node's own, while it gathers acceptances
	held     map[string]*proposal // those of others that are not accepted yet, by leader
	accepted *proposal            // the one of another node that this node has accepted

	reminded time.Time // of the leader, while forming
	begun    uint64    // the number of the proposal that became the view

	view       *View // as long as phase is running or ended
	evidence   []evidence
	done       map[string]bool // members of the view that have finished their part
	heardSince map[string]time.Time

	refusals    []Refusal
	unreachable map[string]error
	unreached   []Unreached
	strangers   []string
	complete    time.Time       // since when all members are there, while forming
	here        map[string]bool // the addresses of this machine, nil if unknown
	pause       *Paused         // the last one of this process, as long as it matters

	elastic

	out []action
}

// peer is another live node.
type peer struct {
	Member
	refused bool
}

// proposal is a view that is not agreed yet.
type proposal struct {
	leader     string
	generation uint64
	attempt    uint64
	members    []Member
	accepts    map[string]bool // at the leader only
}

// action is one thing that the shell must do, in order.
type action interface{ isAction() }

type (
	// send delivers a message to a peer, reliably and in order.
	send struct {
		to  Member
		msg message
	}
	// begin says that the view is agreed.
	begin struct{ view View }
	// end says that the view is over.
	end struct{ cause error }
	// fail says that this node will never be in a view; the shell leaves the gossip.
	fail struct{ err error }
	// check asks whether somebody listens on the member's port; a refusal comes back as down.
	check struct{ member Member }
	// regain asks a member that gossip has given up to gossip again, in case it was only cut off.
	regain struct{ member Member }
	// drop says that the peer is gone for good: what is not delivered to it soon is never delivered.
	drop struct{ member Member }
	// note is for the log.
	note struct {
		warn bool
		text string
	}
)

func (send) isAction()   {}
func (begin) isAction()  {}
func (end) isAction()    {}
func (fail) isAction()   {}
func (check) isAction()  {}
func (regain) isAction() {}
func (drop) isAction()   {}
func (note) isAction()   {}

// newCore makes the state machine of a node that starts now. self.Hash must be that of digest.
func newCore(now time.Time, self Member, job string, digest Digest, size int, timeout time.Duration, e elastic) *core {
	e.clock = now
	c := &core{
		elastic: e,
		self:    self, job: job, digest: digest, size: size, started: now, deadline: now.Add(timeout),
		peers: map[string]*peer{}, gone: map[string]bool{}, held: map[string]*proposal{}, done: map[string]bool{}, heardSince: map[string]time.Time{}, unreachable: map[string]error{},
	}
	c.advance()
	return c
}

// take hands over the actions since the last take.
func (c *core) take() []action {
	out := c.out
	c.out = nil
	return out
}

// up: gossip has seen a node, or its metadata has changed.
func (c *core) up(now time.Time, m Member) {
	c.clock = now
	if m.ID == c.self.ID || c.gone[m.ID] || c.proven[m.ID] != "" {
		return
	}
	delete(c.doubt, m.ID)
	c.heard(now, m.ID)
	c.metRemotely(m)
	if p := c.peers[m.ID]; p != nil {
		p.Member = m
	} else {
		c.peers[m.ID] = &peer{Member: m}
		c.unreached = slices.DeleteFunc(c.unreached, func(u Unreached) bool { return u.Member.Name == m.Name && u.Member.ID != m.ID }) // it was started again
	}
	c.advance()
}

// heard: there was a sign of life of a node.
func (c *core) heard(now time.Time, id string) { c.heardSince[id] = now }

// down: a node is dead, by the evidence given.
func (c *core) down(id string, by Evidence) {
	if id == c.self.ID {
		return // this node has left the gossip
	}
	if p := c.peers[id]; p != nil && c.phase == forming {
		c.reached(p.Member, by.unreached())
	}
	c.lose(id, by, c.heardSince[id], true)
	c.advance()
}

// receive: a message of a peer.
func (c *core) receive(now time.Time, from string, msg message) {
	c.clock = now
	p := c.peers[from]
	if p == nil || c.proven[from] != "" {
		return // it died or left while this was in flight
	}
	c.heard(now, from)
	delete(c.doubt, from)
	c.dispatch(p, msg)
	c.advance()
}

// dispatch takes a message by its kind.
func (c *core) dispatch(p *peer, msg message) {
	switch msg.Kind {
	case msgPropose, msgWithdraw, msgAccept, msgCommit, msgRefuse, msgRefused:
		c.receiveForming(p, msg)
	case msgReport, msgLost, msgDone:
		c.receiveRunning(p, msg)
	case msgBye:
		c.leave(p, msg)
	case msgNext, msgPrepare, msgPromise, msgNack, msgChoose, msgChosen, msgView, msgAsk:
		if c.on {
			c.receiveNext(p, msg)
		}
	default:
		c.logf(true, "%s sends a message of unknown kind %q", p, msg.Kind)
	}
}

// tick: time has passed.
func (c *core) tick(now time.Time) {
	c.clock = now
	if c.pause != nil && now.Sub(c.pause.Until) > pauseMatters {
		c.pause = nil
	}
	c.remind(now)
	if c.phase == forming && !now.Before(c.deadline) {
		c.failWith(&JoinTimeout{Job: c.job, After: c.deadline.Sub(c.started), Status: c.status(now)})
	}
	if c.on {
		c.tickNext()
		c.advance()
	}
}

// advance takes the steps that the state calls for after an input.
func (c *core) advance() {
	switch {
	case c.phase == forming && !c.joinsOthers():
		c.refuseDiffering()
		c.form()
	case c.on && c.view != nil:
		c.welcome()
		c.pursue()
	case c.phase == running && c.view.Leads():
		c.refuseLate()
	}
}

// leave: the peer has said bye.
func (c *core) leave(p *peer, msg message) {
	c.gone[p.ID] = true
	delete(c.waiting, p.ID)
	if c.on && msg.Leaving && c.view != nil && msg.Generation <= c.generation() {
		c.prove(p.ID, LossLeft) // what it decided it would know of, and say
		if c.agreed.choice != nil && indexOf(c.agreed.Ghosts, p.ID) >= 0 {
			c.tellProven(p.ID)
		}
	}
	c.reached(p.Member, nil)
	delete(c.peers, p.ID)
	c.releaseFrom(p.ID)
	c.departed(p.Member)
	c.out = append(c.out, drop{p.Member})
}

// lose: the node is dead. tell says whether the others must be told.
func (c *core) lose(id string, by Evidence, lastHeard time.Time, tell bool) {
	m, known := c.peers[id]
	delete(c.peers, id)
	delete(c.waiting, id)
	if c.on {
		c.doubt[id] = by
	}
	c.releaseFrom(id)
	c.bury(id, by, lastHeard, tell)
	if known && c.phase != forming {
		c.out = append(c.out, drop{m.Member})
	}
}

func (c *core) failWith(err error) {
	if c.phase != forming {
		return
	}
	if c.proposed != nil {
		c.withdraw()
	}
	c.phase = failed
	c.out = append(c.out, fail{err})
}

// status of the forming job.
func (c *core) status(now time.Time) WaitStatus {
	s := WaitStatus{Self: c.self, Expected: c.size, Joined: c.eligible(), Refusals: slices.Clone(c.refusals), Unreached: slices.Clone(c.unreached), Strangers: slices.Clone(c.strangers), Left: max(0, c.deadline.Sub(now))}
	s.Missing = max(0, c.size-len(s.Joined))
	for addr, err := range c.unreachable {
		s.Unreachable = append(s.Unreachable, Unreachable{addr, err})
	}
	slices.SortFunc(s.Unreachable, func(a, b Unreachable) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	return s
}

// stranger: a node with another gossip key seems to be at this address.
func (c *core) stranger(host string) {
	if len(c.strangers) < maxStrangers && !slices.Contains(c.strangers, host) {
		c.strangers = append(c.strangers, host)
	}
}

// inLiveView says whether a node is in the view that runs, or whose members agree on the next one.
func (c *core) inLiveView(id string) bool {
	return (c.phase == running || c.on && c.phase == ended) && indexOf(c.view.Members, id) >= 0
}

func (c *core) sendTo(to Member, msg message) { c.out = append(c.out, send{to, msg}) }

// sendAll sends to the other members of a list that are alive.
func (c *core) sendAll(members []Member, msg message) {
	for _, m := range members {
		if c.peers[m.ID] != nil {
			c.sendTo(m, msg)
		}
	}
}

func (c *core) logf(warn bool, format string, args ...any) {
	c.out = append(c.out, note{warn, fmt.Sprintf(format, args...)})
}
