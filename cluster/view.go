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

	ctx context.Context
}

// Context is cancelled when the view ends; context.Cause then is a *MemberLost or an *Aborted, or ErrLeft or ErrClosed
// if this node went away itself.
func (v View) Context() context.Context { return v.ctx }

// Done is closed when the view ends.
func (v View) Done() <-chan struct{} { return v.ctx.Done() }

// Cause is why the view ended, nil while it lasts.
func (v View) Cause() error { return context.Cause(v.ctx) }

// WorldSize is the number of ranks.
func (v View) WorldSize() int { return len(v.Members) }

// Leads reports whether this node led the view when it began.
func (v View) Leads() bool { return v.Rank == v.Leader }
