package cluster

import "context"

// View is one numbered generation of the job: who takes part, in which order. All of its members have the same.
type View struct {
	Generation uint64
	// Members by rank: by birth, then by identifier.
	Members []Member
	// Rank is this node's index in Members.
	Rank int
	// Leader is the leading rank: the oldest member, so 0.
	Leader int
	// Dead are the members of the view before this one that are not in it, by their rank there. Empty in a node's first
	// view.
	Dead []Loss
	// Former has for each member its rank in the view before this one, -1 for one that has joined. All -1 in the job's
	// first view.
	Former []int

	ctx context.Context
}

// Loss is a member of the former view that is not in this one.
type Loss struct {
	Member Member
	// Rank is that of the former view.
	Rank int
	Kind LossKind
}

// LossKind says how a member was lost, as far as this node knows.
type LossKind string

const (
	// LossDied: its machine refuses connections to its port.
	LossDied LossKind = "died"
	// LossProven: its process has ended, on this machine.
	LossProven LossKind = "proven"
	// LossSilent: it did not answer.
	LossSilent LossKind = "silent"
	// LossLeft: it has left by its own wish.
	LossLeft LossKind = "left"
	// LossEvicted: the others have gone on without it, for reasons of which this node knows nothing.
	LossEvicted LossKind = "evicted"
)

// Context is cancelled when the view ends; context.Cause then is a *MemberLost or an *Aborted, ErrViewChange where
// another member asks for the next view, or ErrLeft or ErrClosed if this node went away itself.
func (v View) Context() context.Context { return v.ctx }

// Done is closed when the view ends.
func (v View) Done() <-chan struct{} { return v.ctx.Done() }

// Cause is why the view ended, nil while it lasts.
func (v View) Cause() error { return context.Cause(v.ctx) }

// WorldSize is the number of ranks.
func (v View) WorldSize() int { return len(v.Members) }

// Leads reports whether this node led the view when it began.
func (v View) Leads() bool { return v.Rank == v.Leader }
