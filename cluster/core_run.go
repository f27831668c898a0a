package cluster

import "time"

func (c *core) receiveRunning(p *peer, msg message) {
	if c.on && (c.view == nil || msg.Generation > c.view.Generation) {
		c.keepEarly(p, msg)
		return
	}
	if c.view == nil {
		c.receiveTooEarly(p, msg)
		return
	}
	rank := indexOf(c.view.Members, p.ID)
	if rank < 0 || msg.Generation != c.view.Generation {
		return // of another view
	}
	switch msg.Kind {
	case msgReport:
		c.record(rank, msg.Report.Kind, c.aborted(rank, *msg.Report, nil))
	case msgLost:
		if msg.Subject == c.self.ID {
			text := "took this rank for dead: no answer from it since " + msg.At.Format(time.TimeOnly)
			cause := c.aborted(rank, report{Kind: Primary, Text: text}, nil)
			if p := c.ownPause(died); p != nil && !c.over() {
				c.confess(p, cause)
				return
			}
			c.record(rank, Primary, cause)
			return
		}
		if c.on {
			c.hearsay(msg)
			return
		}
		lastHeard := msg.At
		if h := c.heardSince[msg.Subject]; h.After(lastHeard) {
			lastHeard = h
		}
		c.lose(msg.Subject, msg.Evidence, lastHeard, false)
	case msgDone:
		c.done[p.ID] = true
	}
}

// receiveTooEarly: a view that this node has promised to be in, but whose commit never came because its leader died,
// has already failed elsewhere.
func (c *core) receiveTooEarly(p *peer, msg message) {
	if c.phase == forming && c.accepted != nil && msg.Kind == msgReport && indexOf(c.accepted.members, p.ID) >= 0 {
		rank := indexOf(c.accepted.members, p.ID)
		c.failWith(&Aborted{By: p.Member, Rank: rank, Generation: msg.Generation, Kind: msg.Report.Kind, Reason: msg.Report.Text})
	}
}

func (c *core) aborted(rank int, r report, err error) *Aborted {
	return &Aborted{By: c.view.Members[rank], Rank: rank, Generation: c.view.Generation, Kind: r.Kind, Reason: r.Text, Err: err}
}

// abort: this rank has stopped for the reason given.
func (c *core) abort(now time.Time, kind Kind, err error) {
	if c.view == nil {
		c.failWith(err)
		return
	}
	for _, e := range c.evidence {
		if e.rank == c.view.Rank && e.kind.class() <= kind.class() {
			return // this rank has reported as much before
		}
	}
	if c.over() {
		return
	}
	if p := c.ownPause(kind); p != nil && kind == Secondary {
		c.confess(p, err)
		return
	}
	c.stopped = true
	r := report{Kind: kind, Text: oneLine(err.Error()), At: now}
	c.sendAll(c.view.Members, message{Kind: msgReport, Generation: c.view.Generation, Report: &r})
	c.record(c.view.Rank, kind, c.aborted(c.view.Rank, r, err))
}

// finish: this rank's part of the job is done.
func (c *core) finish() {
	if c.phase == running && !c.done[c.self.ID] {
		c.done[c.self.ID], c.stopped = true, true
		c.sendAll(c.view.Members, message{Kind: msgDone, Generation: c.view.Generation})
	}
}

// bye: this node leaves. A view that is not finished ends by that.
func (c *core) bye(now time.Time) {
	if c.phase == running && !c.done[c.self.ID] {
		c.abort(now, Departed, errLeftEarly)
	}
	msg := message{Kind: msgBye}
	if c.on {
		msg.Generation, msg.Leaving = c.generation(), c.stopped || c.view == nil
	}
	for _, p := range c.byAge() {
		c.sendTo(p.Member, msg)
	}
}

// suspect: the caller has lost its connection to a rank.
func (c *core) suspect(rank int) {
	if c.view != nil && rank >= 0 && rank < len(c.view.Members) && c.peers[c.view.Members[rank].ID] != nil {
		c.out = append(c.out, check{c.view.Members[rank]})
	}
}

// refusedAt: somebody who tried to reach this address was refused.
func (c *core) refusedAt(addr string) {
	for _, p := range c.byAge() {
		if p.Addr == addr {
			c.out = append(c.out, check{p.Member})
		}
	}
}

// bury records a death in the view.
func (c *core) bury(id string, by Evidence, lastHeard time.Time, tell bool) {
	if c.view == nil || c.over() {
		return
	}
	rank := indexOf(c.view.Members, id)
	if rank < 0 || c.done[id] || c.reported(rank) {
		return // the report of a member that then dies still stands
	}
	lost := &MemberLost{Member: c.view.Members[rank], Rank: rank, Generation: c.view.Generation, LastHeard: lastHeard, Leader: rank == c.view.Leader, Evidence: by}
	if p := c.ownPause(died); p != nil && tell {
		c.confess(p, lost)
		return
	}
	if tell {
		// The member that is taken for dead is told as well, in case it lives.
		msg := message{Kind: msgLost, Generation: c.view.Generation, Subject: id, Evidence: by, At: lastHeard}
		c.sendAll(c.view.Members, msg)
		c.sendTo(lost.Member, msg)
	}
	c.keep(rank, died, lost)
}

// departed records that a member of the view has said bye.
func (c *core) departed(m Member) {
	if c.view == nil || c.over() {
		return
	}
	rank := indexOf(c.view.Members, m.ID)
	if rank < 0 || c.done[m.ID] || c.reported(rank) {
		return
	}
	kind := Departed
	if c.phase == ended {
		kind = Secondary
	}
	c.record(rank, kind, c.aborted(rank, report{Kind: kind, Text: errLeftEarly.Error()}, nil))
}

// record keeps evidence, unless it follows from this rank's own pause.
func (c *core) record(rank int, kind Kind, cause error) {
	if c.over() {
		return
	}
	if p := c.ownPause(kind); p != nil {
		c.confess(p, cause)
		return
	}
	c.keep(rank, kind, cause)
}

// keep keeps evidence; the first ends the view. Evidence that may be the consequence of something worse makes this node
// check on everybody who has not reported.
func (c *core) keep(rank int, kind Kind, cause error) {
	c.evidence = append(c.evidence, evidence{rank, kind, cause})
	if c.phase == running {
		c.phase = ended
		c.out = append(c.out, end{cause})
	}
	if kind.class() > 0 {
		for i, m := range c.view.Members {
			if c.peers[m.ID] != nil && !c.reported(i) {
				c.out = append(c.out, check{m})
			}
		}
	}
}

// reported says whether the fate of a rank is known: it has reported, died or left.
func (c *core) reported(rank int) bool {
	for _, e := range c.evidence {
		if e.rank == rank {
			return true
		}
	}
	return false
}

// over says whether all ranks have finished: nothing that happens then is a failure.
func (c *core) over() bool {
	if c.view == nil || c.phase != running {
		return false
	}
	for _, m := range c.view.Members {
		if !c.done[m.ID] {
			return false
		}
	}
	return true
}

// explained says whether waiting longer cannot change the root cause: it is certain, or all ranks have reported.
func (c *core) explained() bool {
	if c.phase != ended {
		return false
	}
	if class, _ := rootOf(c.evidence); class == 0 {
		return true // nothing that may still arrive takes precedence over a death or a rank's own error
	}
	for i := range c.view.Members {
		if !c.reported(i) {
			return false
		}
	}
	return true
}

// root is the best explanation so far of why the view ended, waited being how long reports were waited for. Where there
// are only consequences, those other ranks that said nothing are the explanation.
func (c *core) root(waited time.Duration) error {
	class, err := rootOf(c.evidence)
	silent := &Unresponsive{After: waited, First: err}
	for i, m := range c.view.Members {
		if i != c.view.Rank && !c.reported(i) {
			silent.Ranks, silent.Members = append(silent.Ranks, i), append(silent.Members, m)
		}
	}
	if class != Secondary.class() || len(silent.Ranks) == 0 {
		return err
	}
	return silent
}

// leads says whether this node is the oldest member of the view that is not dead.
func (c *core) leads() bool {
	if c.view == nil {
		return false
	}
	for rank := range c.view.Rank {
		dead := false
		for _, e := range c.evidence {
			dead = dead || e.rank == rank && e.kind == died
		}
		if !dead {
			return false
		}
	}
	return true
}
