package cluster

import (
	"slices"
	"time"
)

// eligible lists the members that agree with this node, itself among them, by age.
func (c *core) eligible() []Member {
	out := []Member{c.self}
	for _, p := range c.peers {
		if p.Hash == c.self.Hash && !p.refused && !(c.on && p.Joiner) {
			out = append(out, p.Member)
		}
	}
	slices.SortFunc(out, compareMembers)
	return out
}

// oldest reports whether no live member that was not refused is older than this node.
func (c *core) oldest() bool {
	for _, p := range c.peers {
		if !p.refused && p.older(c.self) && !(c.on && p.Joiner) {
			return false
		}
	}
	return true
}

// byAge lists the peers by age, so that what is done for each is done in the same order every time.
func (c *core) byAge() []*peer {
	out := make([]*peer, 0, len(c.peers))
	for _, p := range c.peers {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *peer) int { return compareMembers(a.Member, b.Member) })
	return out
}

// refuseDiffering turns away those that differ from this node, if it is the oldest and so the reference.
func (c *core) refuseDiffering() {
	if !c.oldest() {
		return
	}
	for _, p := range c.byAge() {
		if p.Hash != c.self.Hash && !p.refused {
			c.refuse(p)
		}
	}
}

// refuseLate turns away everybody who is not in the running view.
func (c *core) refuseLate() {
	for _, p := range c.byAge() {
		if !p.refused && indexOf(c.view.Members, p.ID) < 0 {
			c.refuse(p)
		}
	}
}

// refuse tells a peer that it cannot join. A peer whose digest differs gets this node's, so that it can show the
// difference.
func (c *core) refuse(p *peer) {
	p.refused = true
	msg := message{Kind: msgRefuse}
	if p.Hash != c.self.Hash {
		msg.Digest = c.digest
	} else {
		msg.Ranks = len(c.view.Members)
	}
	r := Refusal{Member: p.Member, Full: msg.Digest == nil}
	c.refusals = append(c.refusals, r)
	c.logf(true, "refuse %s", r)
	c.sendTo(p.Member, msg)
}

// form proposes a view if this node is the oldest and enough agree with it, and withdraws a proposal that no longer
// holds.
func (c *core) form() {
	c.accept()
	if c.accepted != nil {
		return // it has accepted another's, whose leader will commit, withdraw or die
	}
	members := c.eligible()
	if !c.oldest() || len(members) < c.size {
		if c.proposed != nil {
			c.withdraw()
		}
		return
	}
	members = members[:c.size]
	if c.proposed != nil {
		if sameMembers(c.proposed.members, members) {
			return
		}
		c.withdraw()
	}
	c.attempt++
	c.proposed = &proposal{leader: c.self.ID, generation: 1, attempt: c.attempt, members: members, accepts: map[string]bool{c.self.ID: true}}
	c.sendAll(members, message{Kind: msgPropose, Generation: 1, Attempt: c.attempt, Members: members})
	c.commitIfAccepted()
}

func (c *core) withdraw() {
	c.sendAll(c.proposed.members, message{Kind: msgWithdraw, Attempt: c.proposed.attempt})
	c.proposed = nil
}

func (c *core) commitIfAccepted() {
	p := c.proposed
	if len(p.accepts) < len(p.members) {
		return
	}
	c.proposed = nil
	c.sendAll(p.members, message{Kind: msgCommit, Generation: p.generation, Attempt: p.attempt})
	c.beginView(p)
}

// accept accepts the proposal of the oldest leader, among those whose members gossip has all told of, unless this node
// has accepted another. A node with a proposal of its own withdraws that first, because a proposal of an older node
// shows that this one is not the oldest.
func (c *core) accept() {
	if c.accepted != nil {
		return
	}
	for _, p := range c.byAge() {
		h := c.held[p.ID]
		if h == nil || !c.acceptable(h) {
			continue
		}
		if c.proposed != nil {
			c.withdraw()
		}
		delete(c.held, p.ID)
		for i, m := range h.members { // a leader says who takes part, not where they are or which keys they have
			h.members[i] = c.known(m.ID)
		}
		c.accepted = h
		c.sendTo(p.Member, message{Kind: msgAccept, Attempt: h.attempt})
		return
	}
}

// known is a live member as it told of itself.
func (c *core) known(id string) Member {
	if id == c.self.ID {
		return c.self
	}
	return c.peers[id].Member
}

// acceptable: this node is in the proposal, knows all others in it, agrees with them, and is not older than the leader.
func (c *core) acceptable(h *proposal) bool {
	for _, m := range h.members {
		p := c.peers[m.ID]
		if m.ID != c.self.ID && (p == nil || p.Hash != c.self.Hash) {
			return false
		}
	}
	return indexOf(h.members, c.self.ID) >= 0 && c.peers[h.leader].older(c.self)
}

// releaseFrom forgets what a leader that is gone had proposed.
func (c *core) releaseFrom(leader string) {
	delete(c.held, leader)
	if c.accepted != nil && c.accepted.leader == leader {
		c.accepted = nil
	}
}

func (c *core) receiveForming(p *peer, msg message) {
	if c.on && c.view != nil && msg.Kind == msgPropose {
		if indexOf(c.view.Members, p.ID) < 0 && !p.refused && !c.outside() && p.Hash == c.self.Hash {
			c.tellNewcomer(p)
		}
		return
	}
	if c.phase == running && msg.Kind == msgPropose {
		// A proposal of a fellow member is from before the view and has been withdrawn; it arrived after the leader's
		// commit.
		if !p.refused && indexOf(c.view.Members, p.ID) < 0 {
			c.refuse(p)
		}
		return
	}
	if c.phase == running && msg.Kind == msgAccept {
		c.repeatCommit(p, msg)
		return
	}
	if msg.Kind == msgRefused {
		c.receiveRefused(p, msg)
		return
	}
	if c.phase != forming {
		return
	}
	switch msg.Kind {
	case msgPropose:
		if a := c.accepted; a != nil && a.leader == p.ID {
			if a.attempt == msg.Attempt {
				c.sendTo(p.Member, message{Kind: msgAccept, Attempt: a.attempt})
				return
			}
			c.accepted = nil // the leader has withdrawn that one while it took this node for dead
		}
		c.held[p.ID] = &proposal{leader: p.ID, generation: msg.Generation, attempt: msg.Attempt, members: msg.Members}
	case msgWithdraw:
		c.releaseFrom(p.ID)
	case msgAccept:
		if msg.Attempt == 0 && c.proposed != nil && indexOf(c.proposed.members, p.ID) >= 0 {
			c.sendTo(p.Member, message{Kind: msgPropose, Generation: c.proposed.generation, Attempt: c.proposed.attempt, Members: c.proposed.members})
			return
		}
		if c.proposed != nil && c.proposed.attempt == msg.Attempt && indexOf(c.proposed.members, p.ID) >= 0 {
			c.proposed.accepts[p.ID] = true
			c.commitIfAccepted()
		}
	case msgCommit:
		if a := c.accepted; a != nil && a.leader == p.ID && a.attempt == msg.Attempt {
			c.beginView(a)
		}
	case msgRefuse:
		if msg.Digest == nil {
			c.failWith(&JobFull{Job: c.job, Ranks: msg.Ranks, By: p.Member})
			return
		}
		c.sendTo(p.Member, message{Kind: msgRefused, Digest: c.digest})
		c.failWith(&Mismatch{Peer: p.Member, Differences: diff(c.digest, msg.Digest)})
	}
}

// repeatCommit answers a member of the view that had taken this leader for dead while the view began, and so forgot what
// it had promised.
func (c *core) repeatCommit(p *peer, msg message) {
	switch {
	case c.view.Generation > 1 || !c.view.Leads() || indexOf(c.view.Members, p.ID) < 0:
	case msg.Attempt == 0:
		c.sendTo(p.Member, message{Kind: msgPropose, Generation: c.view.Generation, Attempt: c.begun, Members: c.view.Members})
	case msg.Attempt == c.begun:
		c.sendTo(p.Member, message{Kind: msgCommit, Generation: c.view.Generation, Attempt: c.begun})
	}
}

// remind asks the leader to repeat its proposal, where a view does not begin though all members are there: a node that is
// too busy to answer gossip may be taken for dead for a moment, and what was proposed meanwhile is forgotten.
func (c *core) remind(now time.Time) {
	waited := c.stuck(now)
	if len(waited) != 1 || !waited[0].older(c.self) || now.Sub(c.reminded) < stuckAfter {
		return
	}
	c.reminded = now
	c.sendTo(waited[0], message{Kind: msgAccept})
}

// receiveRefused completes a refusal with how the refused node differed.
func (c *core) receiveRefused(p *peer, msg message) {
	i := slices.IndexFunc(c.refusals, func(r Refusal) bool { return r.Member.ID == p.ID })
	if i < 0 || len(msg.Digest) == 0 {
		return
	}
	c.refusals[i].Differences = diff(c.digest, msg.Digest)
	c.logf(true, "refused %s", c.refusals[i])
}

func (c *core) beginView(p *proposal) {
	clear(c.held)
	c.accepted, c.proposed = nil, nil
	c.phase, c.begun = running, p.attempt
	former := make([]int, len(p.members))
	for i := range former {
		former[i] = -1
	}
	c.view = &View{Generation: p.generation, Members: p.members, Rank: indexOf(p.members, c.self.ID), Leader: 0, Former: former}
	c.out = append(c.out, begin{*c.view})
	if c.on {
		if c.size != len(p.members) {
			c.logf(true, "the job begins with %d ranks, as its oldest node expects, and this one expects %d", len(p.members), c.size)
		}
		c.replayEarly()
	}
}
