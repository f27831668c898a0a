package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrViewChange ends a view whose members are to agree on the next one, while all of them may be well.
var ErrViewChange = &viewChange{}

type viewChange struct{}

func (*viewChange) Error() string { return "cluster: the ranks agree on a new view" }

// Consequence says that an error that wraps this one is not the root cause.
func (*viewChange) Consequence() bool { return true }

// ErrDeparted is what [Node.Next] gives to a rank that leaves, once the others have agreed to go on without it.
var ErrDeparted = errors.New("cluster: the others go on without this rank, which leaves")

// ErrRigid is what [Node.Next] gives without Config.Elastic.
var ErrRigid = errors.New("cluster: views follow each other in an elastic job only")

// Evicted is why a rank is in no later view: the others took it for dead and went on without it. Its process can
// come back as a new node that joins one of Members, once this one has left and is closed.
type Evicted struct {
	// Generation is that of the view in which this rank is not.
	Generation uint64
	Members    []Member
}

func (e *Evicted) Error() string {
	return fmt.Sprintf("the others went on without this rank in view %d: %s", e.Generation, names(e.Members))
}

// Consequence says that an error that wraps this one is not the root cause.
func (e *Evicted) Consequence() bool { return true }

// NoQuorum is why there is no next view: Config.ElasticWait has passed without enough members.
type NoQuorum struct {
	// After is how long this rank has waited.
	After time.Duration
	// Have of the Of members of the last view were here, this one among them.
	Have, Of int
	// Missing are the others, which may be at work elsewhere.
	Missing []Member
	// MinRanks is not 0 where the members here may go on by themselves, but are fewer than this.
	MinRanks int
}

func (e *NoQuorum) Error() string {
	missing := ""
	if len(e.Missing) > 0 {
		who := make([]string, len(e.Missing))
		for i, m := range e.Missing {
			who[i] = m.String()
		}
		missing = "; missing: " + strings.Join(who, "; ")
	}
	if e.MinRanks > 0 {
		return fmt.Sprintf("%d of at least %d ranks are here after %v, and none has joined%s", e.Have, e.MinRanks, e.After, missing)
	}
	return fmt.Sprintf("%d of %d ranks are here after %v, too few to be sure that the others do not go on by themselves%s", e.Have, e.Of, e.After, missing)
}

// Consequence says that an error that wraps this one is not the root cause.
func (e *NoQuorum) Consequence() bool { return true }
