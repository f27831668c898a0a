package cluster

import "slices"

// Views follow each other by single-decree Paxos, once for each generation: the members of a view are the acceptors, and
// the value is the next view. What follows are the parts of it that need no peers and no time; core_next.go is the rest.
// Memory suffices, because a process that starts again is another member. Decision 0023 says why it cannot split.

// ballot numbers the tries to agree on one view. A ballot belongs to one member, so no two have the same.
type ballot struct {
	Round uint64 `json:"n"`
	Rank  int    `json:"r"`
}

func (b ballot) less(o ballot) bool {
	return b.Round < o.Round || b.Round == o.Round && b.Rank < o.Rank
}

// choice is what the members of a view agree on: the next view.
type choice struct {
	Members []Member `json:"members"`
	// Former is the rank of each in the last view that worked, -1 for those who join.
	Former []int `json:"former"`
	// Ghosts are former members that may not know of the view, see core.mayAdmit.
	Ghosts []Member `json:"ghosts,omitempty"`
	// Idle says that these are too few to work: they wait in Next for others.
	Idle bool `json:"idle,omitempty"`
}

// valid refuses what no member chooses, before anything is indexed by it.
func (v *choice) valid() bool {
	if v == nil || len(v.Former) != len(v.Members) || len(v.Members)+len(v.Ghosts) > 2*mostElasticRanks {
		return false
	}
	seen := map[string]bool{}
	for _, m := range slices.Concat(v.Members, v.Ghosts) {
		if seen[m.ID] || validID(m.ID) != nil {
			return false
		}
		seen[m.ID] = true
	}
	return true
}

// decision is a view that is agreed.
type decision struct {
	generation uint64
	ballot     ballot
	*choice
}

// acceptor is what a member must remember of what it has promised for the next view.
type acceptor struct {
	promised ballot // it takes part in no lower one
	accepted ballot // of value
	value    *choice
	joining  []ballot // the promised ones that may let nodes join, of each candidate the highest
}

// promise takes part in a ballot, if in none higher.
func (a *acceptor) promise(b ballot, joining bool) bool {
	if b.less(a.promised) {
		return false
	}
	if a.promised.less(b) && joining {
		a.joining = append(slices.DeleteFunc(a.joining, func(o ballot) bool { return o.Rank == b.Rank }), b)
	}
	a.promised = b
	return true
}

// joiningBefore lists the ballots below a promised one that may have let nodes join.
func (a *acceptor) joiningBefore(b ballot) []ballot {
	return slices.DeleteFunc(slices.Clone(a.joining), func(o ballot) bool { return !o.less(b) })
}

// accept takes the value of a ballot, if it takes part in none higher.
func (a *acceptor) accept(b ballot, v *choice) bool {
	if b.less(a.promised) {
		return false
	}
	a.promised, a.accepted, a.value = b, b, v
	return true
}

// promise is what a member answers to a ballot.
type promise struct {
	accepted ballot
	value    *choice
	joining  []ballot // those below this one that may have let nodes join
}

// candidacy is a ballot of this node.
type candidacy struct {
	ballot   ballot
	joining  bool // it may let nodes join
	promises map[int]promise
	value    *choice // nil until it is proposed
	accepts  map[int]bool
}

// highest is the value that may have been chosen before: the one of the highest ballot.
func (k *candidacy) highest() (b ballot, v *choice) {
	for _, p := range k.promises {
		if p.value != nil && (v == nil || b.less(p.accepted)) {
			b, v = p.accepted, p.value
		}
	}
	return b, v
}

// proofsCount says whether proofs of death may stand in for the missing promises. They may where whatever the dead have
// decided died with them: not where they may have let a node join, which lives. Nobody joins without a promise of
// every member that is not proven dead, for a ballot that says so; who has given one knows. Its value is seen here, or
// its candidate is here and has proposed none.
func (k *candidacy) proofsCount() bool {
	seen, _ := k.highest()
	for _, p := range k.promises {
		for _, b := range p.joining {
			if !seen.less(b) || !k.allPromised(b) {
				continue
			}
			if candidate, here := k.promises[b.Rank]; !here || !candidate.accepted.less(b) {
				return false
			}
		}
	}
	return true
}

// allPromised says whether all who are here may have promised a ballot that let nodes join: without one of them, who is
// not dead, it let nobody in.
func (k *candidacy) allPromised(b ballot) bool {
	for _, p := range k.promises {
		if !slices.ContainsFunc(p.joining, func(o ballot) bool { return o.Rank == b.Rank && !o.less(b) }) {
			return false
		}
	}
	return true
}

// quorum says whether those who have agreed speak for a view of n ranks: more than half of them, or exactly half with
// rank 0; or, where proofs count, all who are not proven dead.
func quorum(n int, agreed, proven func(rank int) bool, proofsCount bool, m mutant) bool {
	count, dead := 0, 0
	for r := range n {
		switch {
		case agreed(r):
			count++
		case proven(r):
			dead++
		}
	}
	if m == shrunkElectorate {
		n, dead = n-dead, 0
	}
	if 2*count > n || 2*count == n && (agreed(0) || m == weakQuorum) {
		return true
	}
	return proofsCount && count > 0 && count+dead == n
}

// mutant is a fault that a test plants, to show that it would find it.
type mutant int

const (
	sound            mutant = iota
	weakQuorum              // half without rank 0 suffices
	noFence                 // a member promises before its own Next
	shrunkElectorate        // the proven dead are not counted
	valueIgnored            // a candidate proposes its own value, whatever was accepted
	ghostsIgnored           // nodes join though some may not know of the view
	proofsAlways            // proofs count though nodes may have joined
)
