package cluster

import (
	"maps"
	"slices"
	"time"
)

const (
	// repeatAfter is how often a member that waits for an answer asks again: what was sent to one that was given up
	// meanwhile is lost.
	repeatAfter = time.Second
	// lookAfter is how often a member that is waited for is looked after, and lookFirst how soon for the first time.
	lookAfter = 500 * time.Millisecond
	lookFirst = 100 * time.Millisecond
	// yieldFor is how long a candidate leaves the field to another one, and as much more for each rank.
	yieldFor = 200 * time.Millisecond
	// mostEarly bounds the messages of a sender that are kept because they are of a later view.
	mostEarly = 8
)

// elastic is what a core needs for views that follow each other.
type elastic struct {
	on                 bool
	joins              bool // it expects no ranks, and waits to be admitted
	minRanks, maxRanks int
	wait               time.Duration // for the next view
	mutant             mutant

	clock   time.Time            // of the last input that had one
	agreed  decision             // the view, as it was agreed; no choice for the job's first
	doubt   map[string]Evidence  // who seems to be dead, until it speaks
	proven  map[string]LossKind  // whose work has certainly ended
	early   map[string][]message // of later views, by sender
	waiting map[string]asked     // who wants to join
	told    map[string]time.Time // when a newcomer was last told which view runs
	noticed time.Time            // when this newcomer was last told
	newest  uint64               // the latest view of which it was told: it begins no older one
	tamed   map[string]bool      // ghosts that wait to join, and have heard of the present view
	stopped bool                 // this rank's work in the view has ended
	evicted *Evicted             // the others have gone on without this rank
	left    bool                 // as it wished
	stalled *NoQuorum            // why there is no next view

	succession
}

// succession is what is known of the view after this one.
type succession struct {
	called   bool // Next, by this rank
	leaving  bool // it will not be in the next view
	since    time.Time
	inNext   map[int]bool // the others, whether they leave
	acceptor acceptor
	before   *message  // the highest ballot that came before this rank's Next
	settled  *decision // that came before it
	round    uint64    // the highest so far
	own      *candidacy
	retry    time.Time // not before
	repeated time.Time
	looked   time.Time
}

func newElastic(cfg Config) elastic {
	return elastic{
		on: cfg.Elastic, joins: cfg.Elastic && cfg.WorldSize == 0, minRanks: max(cfg.MinRanks, 1), maxRanks: cfg.mostRanks(), wait: cfg.ElasticWait,
		doubt: map[string]Evidence{}, proven: map[string]LossKind{}, early: map[string][]message{}, waiting: map[string]asked{}, told: map[string]time.Time{}, tamed: map[string]bool{},
		succession: newSuccession(),
	}
}

func newSuccession() succession { return succession{inNext: map[int]bool{}} }

// next: this rank's work in the view of that generation has stopped.
func (c *core) next(now time.Time, generation uint64, leaving bool) {
	c.clock = now
	if c.view == nil || c.view.Generation != generation || c.called && (c.leaving || !leaving) {
		return
	}
	if !c.called {
		c.since, c.repeated = now, now
		c.looked = now.Add(lookFirst - lookAfter)
	}
	c.called, c.leaving, c.stopped = true, leaving, true
	c.endForChange()
	if c.settled != nil {
		c.learn(*c.settled)
		return
	}
	c.sendAll(c.view.Members, message{Kind: msgNext, Generation: generation, Leaving: leaving})
	c.answerHeld()
	c.advance()
}

// endForChange ends a view whose members go on to the next.
func (c *core) endForChange() {
	if c.phase == running {
		c.phase = ended
		c.out = append(c.out, end{ErrViewChange})
	}
}

// nextReached says whether there is a view after that of the generation, or why there is none.
func (c *core) nextReached(generation uint64) (bool, error) {
	switch {
	case c.view != nil && c.view.Generation > generation && !c.agreed.idle():
		return true, nil
	case c.left:
		return true, ErrDeparted
	case c.evicted != nil:
		return true, c.evicted
	case c.stalled != nil:
		return true, c.stalled
	}
	return false, nil
}

func (d decision) idle() bool { return d.choice != nil && d.Idle }

// outside says that this rank is in no later view.
func (c *core) outside() bool { return c.left || c.evicted != nil }

// dead says whether a member seems to be dead.
func (c *core) dead(m Member) bool {
	return m.ID != c.self.ID && (c.peers[m.ID] == nil || c.doubt[m.ID] != "" || c.proven[m.ID] != "")
}

func (c *core) provenRank(rank int) bool { return c.proven[c.view.Members[rank].ID] != "" }

// prove notes that a node's work has certainly ended.
func (c *core) prove(id string, how LossKind) {
	if c.proven[id] == "" && id != c.self.ID {
		c.proven[id] = how
	}
}

func (c *core) proveAll(ids []string) {
	for _, id := range ids {
		if c.view != nil && (indexOf(c.view.Members, id) >= 0 || c.agreed.choice != nil && indexOf(c.agreed.Ghosts, id) >= 0) {
			c.prove(id, LossProven)
		}
	}
}

// found: a node was looked after; without evidence it answers.
func (c *core) found(id string, by Evidence) {
	if by == "" {
		delete(c.doubt, id)
		c.advance()
		return
	}
	c.doubt[id] = by
	lastHeard := c.heardSince[id]
	if by == Proven && c.proven[id] == "" {
		c.prove(id, LossProven)
		c.tellProven(id)
	}
	c.bury(id, by, lastHeard, by != Proven)
	c.advance()
}

// hearsay: a member says that another one is dead.
func (c *core) hearsay(msg message) {
	if msg.Evidence == Proven {
		c.proveAll([]string{msg.Subject})
	}
	if c.doubt[msg.Subject] == "" {
		c.doubt[msg.Subject] = msg.Evidence
	}
	lastHeard := msg.At
	if h := c.heardSince[msg.Subject]; h.After(lastHeard) {
		lastHeard = h
	}
	c.bury(msg.Subject, msg.Evidence, lastHeard, false)
}

// generation is that of the latest view that this node has heard of.
func (c *core) generation() uint64 {
	if c.view == nil {
		return 0
	}
	return max(c.view.Generation, c.agreed.generation)
}

// tellProven tells the others of a proof, also where they know of the death, and of one that is in the view no more.
func (c *core) tellProven(id string) {
	if c.view != nil {
		c.sendAll(c.view.Members, message{Kind: msgLost, Generation: c.view.Generation, Subject: id, Evidence: Proven, At: c.heardSince[id]})
	}
}

// receiveNext takes the messages that only an elastic job has.
func (c *core) receiveNext(p *peer, msg message) {
	switch {
	case msg.Kind == msgView:
		c.receiveView(p, msg)
		return
	case msg.Kind == msgAsk && msg.Generation == 0:
		c.receiveAsk(p, msg)
		return
	case c.view == nil:
		c.keepEarly(p, msg)
		c.askToJoin(p.Member)
		return
	case c.outside():
		return
	case msg.Generation < c.view.Generation:
		c.tell(p.Member)
		return
	case msg.Kind == msgAsk:
		return
	case msg.Generation > c.view.Generation:
		c.keepEarly(p, msg)
		c.sendTo(p.Member, message{Kind: msgAsk, Generation: c.view.Generation})
		return
	}
	rank := indexOf(c.view.Members, p.ID)
	if rank < 0 {
		return
	}
	if msg.Kind == msgPrepare || msg.Kind == msgChoose || msg.Kind == msgPromise {
		c.proveAll(msg.Proven)
	}
	switch msg.Kind {
	case msgNext:
		c.inNext[rank] = msg.Leaving
		c.endForChange()
	case msgPrepare, msgChoose:
		if msg.Ballot.Rank != rank {
			return
		}
		c.round = max(c.round, msg.Ballot.Round)
		c.endForChange()
		if !c.called && c.mutant != noFence {
			if c.before == nil || !msg.Ballot.less(c.before.Ballot) {
				c.before = &msg
			}
			return
		}
		c.answer(p.Member, msg)
	case msgPromise:
		c.inNext[rank] = msg.Leaving
		if k := c.own; k != nil && k.ballot == msg.Ballot && k.value == nil {
			k.promises[rank] = promise{accepted: msg.Accepted, value: msg.Choice, joining: msg.Before}
		}
	case msgChosen:
		if k := c.own; k != nil && k.ballot == msg.Ballot && k.value != nil {
			k.accepts[rank] = true
		}
	case msgNack:
		c.round = max(c.round, msg.Accepted.Round)
		if k := c.own; k != nil && k.ballot == msg.Ballot {
			c.yield()
		}
	}
}

// keepEarly keeps a message of a view that this node has not heard of yet.
func (c *core) keepEarly(p *peer, msg message) {
	kept := append(c.early[p.ID], msg)
	c.early[p.ID] = kept[max(0, len(kept)-mostEarly):]
}

// answerHeld answers the ballot that waited for this rank's Next.
func (c *core) answerHeld() {
	held := c.before
	if held == nil {
		return
	}
	c.before = nil
	m := c.view.Members[held.Ballot.Rank]
	if c.peers[m.ID] != nil && c.proven[m.ID] == "" {
		c.answer(m, *held)
	}
}

// answer is an acceptor's to a candidate.
func (c *core) answer(to Member, msg message) {
	reply := message{Generation: msg.Generation, Ballot: msg.Ballot}
	before := c.acceptor.promised
	switch {
	case msg.Kind == msgPrepare && c.acceptor.promise(msg.Ballot, msg.Joining):
		reply.Kind, reply.Accepted, reply.Choice = msgPromise, c.acceptor.accepted, c.acceptor.value
		reply.Before, reply.Leaving, reply.Proven = c.acceptor.joiningBefore(msg.Ballot), c.leaving, c.provenMembers()
	case msg.Kind == msgChoose && msg.Choice != nil && c.acceptor.accept(msg.Ballot, msg.Choice):
		reply.Kind = msgChosen
	default:
		reply.Kind, reply.Accepted = msgNack, c.acceptor.promised
	}
	if before.less(c.acceptor.promised) && c.own != nil {
		c.yield()
	}
	c.sendTo(to, reply)
}

// yield gives this node's ballot up, because there is a higher one.
func (c *core) yield() {
	c.own = nil
	c.retry = c.clock.Add(yieldFor * time.Duration(1+c.view.Rank))
}

// provenMembers lists the members whose death is proven.
func (c *core) provenMembers() []string {
	var out []string
	for _, m := range c.view.Members {
		if c.proven[m.ID] != "" {
			out = append(out, m.ID)
		}
	}
	return out
}

// candidate says whether it is this rank's turn to bring the next view about: whether all lower ranks seem to be dead, or
// to be kept from Next for long.
func (c *core) candidate() bool {
	for rank, m := range c.view.Members[:c.view.Rank] {
		if !c.dead(m) && !c.late(rank) {
			return false
		}
	}
	return true
}

// late says whether a member is so long not in Next that the others go on without it.
func (c *core) late(rank int) bool {
	_, in := c.inNext[rank]
	return !in && rank != c.view.Rank && c.clock.Sub(c.since) >= c.wait/2
}

// pursue brings the next view about, as far as it is this rank's to do.
func (c *core) pursue() {
	if c.view == nil || !c.called || c.outside() {
		return
	}
	if c.own == nil {
		if !c.candidate() || c.clock.Before(c.retry) {
			return
		}
		c.prepare()
	}
	k := c.own
	if k.value == nil {
		v := c.pick()
		if c.own != k {
			c.pursue() // in a ballot that lets nodes join
			return
		}
		if v == nil || !c.acceptor.accept(k.ballot, v) {
			return
		}
		k.value, k.accepts = v, map[int]bool{c.view.Rank: true}
		c.sendAll(c.view.Members, c.choose())
	}
	if quorum(len(c.view.Members), func(r int) bool { return k.accepts[r] }, c.provenRank, true, c.mutant) {
		d := decision{c.view.Generation + 1, k.ballot, k.value}
		former := c.view.Members
		c.learn(d)
		c.tellAll(former, d)
	}
}

// prepare begins a ballot.
func (c *core) prepare() {
	c.round++
	b := ballot{c.round, c.view.Rank}
	k := &candidacy{ballot: b, joining: c.mayAdmit() && len(c.admissible()) > 0}
	c.acceptor.promise(b, k.joining)
	k.promises = map[int]promise{b.Rank: {accepted: c.acceptor.accepted, value: c.acceptor.value, joining: c.acceptor.joiningBefore(b)}}
	c.own = k
	c.sendAll(c.view.Members, c.prepared())
}

func (c *core) prepared() message {
	return message{Kind: msgPrepare, Generation: c.view.Generation, Ballot: c.own.ballot, Joining: c.own.joining, Proven: c.provenMembers()}
}

func (c *core) choose() message {
	return message{Kind: msgChoose, Generation: c.view.Generation, Ballot: c.own.ballot, Choice: c.own.value, Proven: c.provenMembers()}
}

// pick is the value to propose: the one that may have been chosen before, or this candidate's own. It is nil as long as a
// promise is waited for.
func (c *core) pick() *choice {
	k := c.own
	for rank, m := range c.view.Members {
		if _, promised := k.promises[rank]; !promised && !c.dead(m) && !c.late(rank) {
			return nil
		}
	}
	has := func(rank int) bool { _, ok := k.promises[rank]; return ok }
	if !quorum(len(c.view.Members), has, c.provenRank, k.proofsCount() || c.mutant == proofsAlways, c.mutant) {
		return nil
	}
	if _, v := k.highest(); v != nil && c.mutant != valueIgnored {
		return v
	}
	return c.compose()
}

// compose is the next view as this candidate wishes it: those who promised and stay, in their former order, then those
// who wait to join. It is nil where nothing is gained by it.
func (c *core) compose() *choice {
	k := c.own
	v := &choice{}
	all, somebodyLeaves := true, false
	for rank, m := range c.view.Members {
		_, promised := k.promises[rank]
		all = all && (promised || c.provenRank(rank))
		leaves := c.inNext[rank] || rank == c.view.Rank && c.leaving
		somebodyLeaves = somebodyLeaves || leaves && promised
		if promised && !leaves && !c.dead(m) {
			v.Members, v.Former = append(v.Members, m), append(v.Former, c.formerRank(rank))
		}
	}
	stay := len(v.Members)
	if k.joining && all && stay > 0 { // somebody must have what the job has reached
		for _, m := range c.admissible() {
			if len(v.Members) < c.maxRanks {
				v.Members, v.Former = append(v.Members, m), append(v.Former, -1)
			}
		}
	}
	if joined := len(v.Members) > stay; !joined || c.mutant == ghostsIgnored {
		v.Ghosts = c.ghosts(v.Members)
	}
	v.Idle = len(v.Members) < c.minRanks
	switch {
	case len(v.Members) == 0 && !(all && somebodyLeaves):
		return nil
	case v.Idle && len(v.Members) == len(c.view.Members):
		if !k.joining && c.mayAdmit() && len(c.admissible()) > 0 {
			c.prepare()
		}
		return nil
	}
	return v
}

// formerRank is a member's rank in the last view that worked.
func (c *core) formerRank(rank int) int {
	if c.agreed.idle() {
		return c.view.Former[rank]
	}
	return rank
}

// learn: the next view is agreed.
func (c *core) learn(d decision) {
	if indexOf(d.Members, c.self.ID) < 0 {
		c.agreed = d
		if c.left = c.leaving; !c.left {
			c.evicted = &Evicted{Generation: d.generation, Members: d.Members}
		}
		c.endForChange()
		return
	}
	c.adopt(d)
}

// receiveView: a member says which view runs.
func (c *core) receiveView(p *peer, msg message) {
	if msg.Choice == nil || msg.Generation == 0 {
		return
	}
	d := decision{msg.Generation, msg.Ballot, msg.Choice}
	mine := indexOf(d.Members, c.self.ID) >= 0
	if c.view == nil {
		c.receiveNotice(p, d, mine)
		return
	}
	theirs := indexOf(d.Members, p.ID) >= 0 || indexOf(c.view.Members, p.ID) >= 0
	if c.outside() || !theirs || d.generation <= c.view.Generation {
		return
	}
	if mine && d.generation != c.view.Generation+1 {
		return // it would have promised in the one between
	}
	c.endForChange()
	if !c.called {
		c.settled = &d
		return
	}
	c.learn(d)
}

// tell says which view runs.
func (c *core) tell(to Member) {
	if c.agreed.choice != nil {
		c.sendTo(to, message{Kind: msgView, Generation: c.agreed.generation, Ballot: c.agreed.ballot, Choice: c.agreed.choice})
		return
	}
	first := &choice{Members: c.view.Members, Former: c.view.Former}
	c.sendTo(to, message{Kind: msgView, Generation: c.view.Generation, Choice: first})
}

// joined lists those who are new in the view.
func (v *choice) joined() []Member {
	var out []Member
	for i, m := range v.Members {
		if v.Former[i] < 0 {
			out = append(out, m)
		}
	}
	return out
}

// tellJoined says it to those who join, which all do, because the candidate may die.
func (c *core) tellJoined(d decision) {
	for _, m := range d.joined() {
		if c.peers[m.ID] != nil {
			c.tell(m)
		}
	}
}

// tellAll is the candidate's: it says it to all who have not heard it from adopt.
func (c *core) tellAll(former []Member, d decision) {
	to := slices.Clone(former)
	if c.outside() {
		to = slices.Concat(former, d.joined())
	}
	c.sendAll(to, message{Kind: msgView, Generation: d.generation, Ballot: d.ballot, Choice: d.choice})
}

// adopt begins a view in which this node is.
func (c *core) adopt(d decision) {
	old, wasIdle, waited := c.view, c.agreed.idle(), c.since
	members := slices.Clone(d.Members)
	for i, m := range members { // a candidate says who takes part, not where they are or which keys they have
		switch {
		case m.ID == c.self.ID || c.peers[m.ID] != nil:
			members[i] = c.known(m.ID)
		case old != nil && indexOf(old.Members, m.ID) >= 0:
			members[i] = old.Members[indexOf(old.Members, m.ID)]
		default:
			members[i] = m.printable()
		}
	}
	view := View{Generation: d.generation, Members: members, Rank: indexOf(members, c.self.ID), Former: d.Former}
	if old != nil {
		view.Dead = c.losses(old, wasIdle, members)
	}
	clear(c.held)
	c.proposed, c.accepted, c.begun = nil, nil, 0
	c.view, c.agreed = &view, d
	c.evidence, c.stalled = nil, nil
	clear(c.done)
	clear(c.doubt)
	clear(c.tamed)
	leaving := c.leaving
	c.succession = newSuccession()
	for _, m := range members {
		delete(c.waiting, m.ID)
		delete(c.told, m.ID)
	}
	if d.Idle {
		c.phase, c.called, c.stopped, c.leaving = ended, true, true, leaving
		c.since, c.looked, c.repeated = waited, c.clock, c.clock
		if waited.IsZero() {
			c.since = c.clock
		}
		c.sendAll(members, message{Kind: msgNext, Generation: d.generation, Leaving: leaving})
	} else {
		c.phase, c.stopped = running, false
		c.out = append(c.out, begin{view})
	}
	for _, m := range members {
		switch {
		case m.ID == c.self.ID:
		case c.proven[m.ID] != "":
			c.bury(m.ID, Proven, c.heardSince[m.ID], true)
		case c.peers[m.ID] == nil:
			c.out = append(c.out, check{m})
		}
	}
	c.tellJoined(d)
	c.replayEarly()
}

// replayEarly takes what came for this view before it began here.
func (c *core) replayEarly() {
	early := c.early
	c.early = map[string][]message{}
	for _, id := range slices.Sorted(maps.Keys(early)) {
		for _, msg := range early[id] {
			if p := c.peers[id]; p != nil && msg.Generation >= c.view.Generation {
				c.dispatch(p, msg)
			}
		}
	}
}

// losses says what became of the members of the former view that are not in this one.
func (c *core) losses(old *View, wasIdle bool, members []Member) []Loss {
	var out []Loss
	if wasIdle {
		out = slices.Clone(old.Dead)
	}
	for rank, m := range old.Members {
		if indexOf(members, m.ID) >= 0 {
			continue
		}
		if rank = c.formerRank(rank); rank < 0 {
			continue
		}
		kind := c.proven[m.ID]
		switch {
		case c.gone[m.ID] || c.inNext[indexOf(old.Members, m.ID)]:
			kind = LossLeft
		case kind != "":
		case c.doubt[m.ID] == Refused:
			kind = LossDied
		case c.doubt[m.ID] == Silent:
			kind = LossSilent
		default:
			kind = LossEvicted
		}
		out = append(out, Loss{Member: m, Rank: rank, Kind: kind})
	}
	return out
}

// tickNext: time has passed, in an elastic job.
func (c *core) tickNext() {
	c.tickJoining()
	if c.view == nil || !c.called || c.outside() {
		return
	}
	if c.clock.Sub(c.since) >= c.wait && c.stalled == nil {
		c.stalled = c.noQuorum()
	}
	if c.clock.Sub(c.repeated) >= repeatAfter {
		c.repeated = c.clock
		c.repeat()
	}
	if c.clock.Sub(c.looked) >= lookAfter {
		c.looked = c.clock
		c.lookAfterMissing()
	}
}

// repeat asks again those who have not answered.
func (c *core) repeat() {
	k := c.own
	for rank, m := range c.view.Members {
		switch {
		case rank == c.view.Rank:
		case c.peers[m.ID] == nil:
			if c.proven[m.ID] == "" && !c.gone[m.ID] {
				c.out = append(c.out, regain{m})
			}
		case k == nil:
			c.sendTo(m, message{Kind: msgNext, Generation: c.view.Generation, Leaving: c.leaving})
		case k.value == nil:
			if _, ok := k.promises[rank]; !ok {
				c.sendTo(m, c.prepared())
			}
		case !k.accepts[rank]:
			c.sendTo(m, c.choose())
		}
	}
}

// lookAfterMissing looks after those who are waited for, and for proofs where they would help.
func (c *core) lookAfterMissing() {
	for rank, m := range c.view.Members {
		if rank == c.view.Rank || c.proven[m.ID] != "" {
			continue
		}
		missing := rank < c.view.Rank || c.dead(m) && m.Machine == c.self.Machine
		if k := c.own; k != nil {
			_, promised := k.promises[rank]
			missing = missing && c.dead(m) || k.value == nil && !promised || k.value != nil && !k.accepts[rank]
		}
		if missing {
			c.out = append(c.out, check{m})
		}
	}
}

// noQuorum says who is missing.
func (c *core) noQuorum() *NoQuorum {
	e := &NoQuorum{After: c.clock.Sub(c.since), Of: len(c.view.Members)}
	here := func(rank int) bool {
		_, in := c.inNext[rank]
		return rank == c.view.Rank || in && !c.dead(c.view.Members[rank])
	}
	for rank, m := range c.view.Members {
		if here(rank) {
			e.Have++
		} else {
			e.Missing = append(e.Missing, m)
		}
	}
	if quorum(e.Of, here, c.provenRank, true, sound) && e.Have < c.minRanks {
		e.MinRanks = c.minRanks
	}
	return e
}

// liveAddrs lists the addresses of the view's members that are alive, this node's last.
func (c *core) liveAddrs() []string {
	var out []string
	if c.view != nil {
		for _, m := range c.view.Members {
			if m.ID != c.self.ID && !c.dead(m) {
				out = append(out, m.Addr)
			}
		}
	}
	return append(out, c.self.Addr)
}
