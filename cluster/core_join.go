package cluster

import (
	"slices"
	"time"
)

// Nodes that join a running job: they ask, wait, and are in the next view for which there is room.

const (
	// tellAgain is how often a newcomer that does not ask is told which view runs.
	tellAgain = 2 * time.Second
	// askAgain is how often a node that waits asks whether it still runs, and staleAfter when the answer is no.
	askAgain   = time.Second
	staleAfter = 10 * time.Second
	// fullAfter is how long a job must be full before it refuses a node: a dead rank's successor may be here before the
	// death is noticed.
	fullAfter = 5 * time.Second
)

// asked is when a node has asked to join, first and last.
type asked struct{ first, last time.Time }

// admissible lists the nodes that may be in the next view, by age.
func (c *core) admissible() []Member {
	var out []Member
	for _, p := range c.byAge() {
		if _, waits := c.waiting[p.ID]; waits && !p.refused && p.Hash == c.self.Hash && c.proven[p.ID] == "" && c.doubt[p.ID] == "" && indexOf(c.view.Members, p.ID) < 0 {
			out = append(out, p.Member)
		}
	}
	return out
}

// joiners is how many nodes could be in the next view, beside the members that are alive.
func (c *core) joiners() int {
	if !c.on || c.view == nil || len(c.waiting) == 0 || c.outside() || !c.mayAdmit() {
		return 0
	}
	alive := 0
	for _, m := range c.view.Members {
		if !c.dead(m) {
			alive++
		}
	}
	return max(0, min(len(c.admissible()), c.maxRanks-alive))
}

// unresolved lists the nodes of a list that may still be alive without knowing of the present view.
func (c *core) unresolved(list []Member) []Member {
	return slices.DeleteFunc(slices.Clone(list), func(m Member) bool { return c.proven[m.ID] != "" || c.tamed[m.ID] || c.succeeded(m) })
}

// succeeded says whether a node's process has closed it and waits to join as another one.
func (c *core) succeeded(m Member) bool {
	for id := range c.waiting {
		if p := c.peers[id]; p != nil && id != m.ID && m.Machine != "" && p.Machine == m.Machine && p.PID == m.PID {
			return true
		}
	}
	return false
}

// ghosts are the former members that may not know of the next view with these members: those that were left out in
// silence since a node has last joined, and those that are left out now.
func (c *core) ghosts(members []Member) []Member {
	var out []Member
	if c.agreed.choice != nil {
		out = slices.Clone(c.agreed.Ghosts)
	}
	for _, m := range c.view.Members {
		if indexOf(members, m.ID) < 0 {
			out = append(out, m)
		}
	}
	return c.unresolved(out)
}

// mayAdmit says whether nodes may join now. A ghost that finds all others of its view proven dead goes on alone; it must
// not while a node that has joined carries the job on. So nobody joins before the ghosts have ended or know, except
// where a member is on a machine without ghosts: then none of them can ever prove that one's death.
func (c *core) mayAdmit() bool {
	if c.agreed.choice == nil || c.mutant == ghostsIgnored {
		return true
	}
	ghosts := c.unresolved(c.agreed.Ghosts)
	if len(ghosts) == 0 {
		return true
	}
	return slices.ContainsFunc(c.view.Members, func(m Member) bool {
		return m.Machine == "" || !slices.ContainsFunc(ghosts, func(g Member) bool { return g.Machine == m.Machine })
	})
}

// receiveAsk: a node wants to join.
func (c *core) receiveAsk(p *peer, msg message) {
	if c.view == nil || c.outside() || p.refused {
		return
	}
	if indexOf(c.view.Members, p.ID) >= 0 {
		c.tell(p.Member) // it has not heard that its view has begun
		return
	}
	if p.Hash != c.self.Hash {
		c.refuse(p)
		return
	}
	if msg.Attempt >= c.view.Generation {
		c.tamed[p.ID] = true
	}
	a, known := c.waiting[p.ID]
	if !known {
		a.first = c.clock
		c.logf(false, "%s waits to join", p)
	}
	a.last = c.clock
	c.waiting[p.ID] = a
	c.tellNewcomer(p)
}

func (c *core) tellNewcomer(p *peer) {
	c.told[p.ID] = c.clock
	c.tell(p.Member)
}

// first says whether this rank speaks for the view to newcomers.
func (c *core) first() bool {
	return !slices.ContainsFunc(c.view.Members[:c.view.Rank], func(m Member) bool { return !c.dead(m) })
}

// welcome tells those who are not in the view that it runs, and refuses those that differ.
func (c *core) welcome() {
	if c.outside() || !c.first() {
		return
	}
	for _, p := range c.byAge() {
		switch {
		case p.refused || indexOf(c.view.Members, p.ID) >= 0:
		case p.Hash != c.self.Hash:
			c.refuse(p)
		case c.clock.Sub(max2(c.told[p.ID], c.waiting[p.ID].last)) >= tellAgain:
			c.tellNewcomer(p)
		}
	}
}

func max2(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// receiveNotice: a job runs, of which this node has no view yet.
func (c *core) receiveNotice(p *peer, d decision, mine bool) {
	switch {
	case c.phase != forming || p.Hash != c.self.Hash:
	case mine && d.generation <= c.newest:
		// It has said that it would begin no such view any more, and others may have relied on that.
		c.failWith(&Evicted{Generation: c.newest, Members: d.Members})
	case mine:
		c.adopt(d)
		c.noticed = time.Time{}
	default:
		c.noticed, c.newest = c.clock, max(c.newest, d.generation)
		c.deadline = c.clock.Add(c.deadline.Sub(c.started))
		c.started = c.clock
		if c.proposed != nil {
			c.withdraw()
		}
		for _, m := range d.Members {
			c.askToJoin(m)
		}
	}
}

// askToJoin asks a member of a running view to be in the next, not more often than necessary.
func (c *core) askToJoin(m Member) {
	if c.phase != forming || c.peers[m.ID] == nil || c.clock.Sub(c.told[m.ID]) < askAgain {
		return
	}
	c.told[m.ID] = c.clock
	c.sendTo(m, message{Kind: msgAsk, Attempt: c.newest})
}

// joinsOthers says whether this node waits to be admitted into a running job, and so begins none.
func (c *core) joinsOthers() bool {
	return c.on && (c.joins || !c.noticed.IsZero() && c.clock.Sub(c.noticed) < staleAfter)
}

// tickJoining: time has passed.
func (c *core) tickJoining() {
	if c.phase == forming {
		if !c.noticed.IsZero() {
			for _, p := range c.byAge() {
				if _, told := c.told[p.ID]; told {
					c.askToJoin(p.Member)
				}
			}
		}
		return
	}
	if c.view == nil || c.outside() {
		return
	}
	for _, p := range c.byAge() {
		a, waits := c.waiting[p.ID]
		switch {
		case !waits:
		case c.clock.Sub(a.last) >= staleAfter:
			delete(c.waiting, p.ID)
		case c.phase == running && c.first() && len(c.view.Members) >= c.maxRanks && c.clock.Sub(a.first) >= fullAfter && !slices.ContainsFunc(c.view.Members, c.dead):
			c.refuse(p)
		}
	}
	if c.agreed.choice != nil && len(c.waiting) > 0 && c.clock.Sub(c.looked) >= lookAfter && !c.called {
		c.looked = c.clock
		for _, m := range c.unresolved(c.agreed.Ghosts) {
			if m.Machine == c.self.Machine {
				c.out = append(c.out, check{m})
			}
		}
	}
}
