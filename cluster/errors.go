package cluster

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// ErrClosed is returned by methods of a node that was closed, and ends the view of one that is closed in mid-view.
var ErrClosed = errors.New("cluster: the node is closed")

// errLeftEarly is the reason of a rank that leaves in mid-job without giving one.
var errLeftEarly = errors.New("left before the job was finished")

// ErrLeft ends the view of a node that has left after [Node.Finish].
var ErrLeft = errors.New("cluster: this node has left the finished job")

// Evidence says how a death was noticed.
type Evidence string

const (
	// Refused: the member's machine answers, but nobody listens on the member's port any more.
	Refused Evidence = "refused"
	// Silent: the member answers neither directly nor through others.
	Silent Evidence = "silent"
	// Proven: the member's process has ended, on this machine or on that of the member who says so. In elastic jobs.
	Proven Evidence = "proven"
)

func (e Evidence) guess() string {
	if e == Refused || e == Proven {
		return "killed or crashed"
	}
	return "killed, crashed, hung or cut off"
}

// unreached is what the evidence says while a view is forming: of a node that told a wrong address as of a dead one.
func (e Evidence) unreached() error {
	if e == Refused {
		return syscall.ECONNREFUSED
	}
	return errors.New("no answer")
}

// MemberLost ends a view: a member of it is dead.
type MemberLost struct {
	Member     Member
	Rank       int
	Generation uint64
	// LastHeard is when the noticing node last had a sign of life.
	LastHeard time.Time
	// Leader says that the dead member led the view.
	Leader   bool
	Evidence Evidence
}

func (e *MemberLost) Error() string {
	who := ""
	if e.Leader {
		who = ", the leader,"
	}
	return fmt.Sprintf("rank %d (%s)%s died: no answer since %s (%s)", e.Rank, e.Member, who, e.LastHeard.Format(time.TimeOnly), e.Evidence.guess())
}

// Consequence says that an error that wraps this one is not the root cause.
func (e *MemberLost) Consequence() bool { return true }

// Aborted ends a view: a rank of it, this one or another, has stopped and said why.
type Aborted struct {
	By         Member
	Rank       int
	Generation uint64
	Kind       Kind
	Reason     string
	// Err is the error given to Abort where this very node aborted; nil if the reason came from another node.
	Err error
}

func (e *Aborted) Error() string {
	verb := "failed"
	switch e.Kind {
	case Interrupted:
		verb = "stopped"
	case Secondary, Departed:
		verb = "gave up"
	}
	return fmt.Sprintf("rank %d (%s) %s: %s", e.Rank, e.By, verb, e.Reason)
}

// Consequence says that an error that wraps this one is not the root cause.
func (e *Aborted) Consequence() bool { return true }

// Unwrap gives the aborting rank's own error, or ErrInterrupted for an interrupted one.
func (e *Aborted) Unwrap() error {
	if e.Err == nil && e.Kind == Interrupted {
		return ErrInterrupted
	}
	return e.Err
}

// Unresponsive is the root cause where all who reported named a consequence only, and some said nothing: those are
// stuck.
type Unresponsive struct {
	Ranks   []int
	Members []Member
	// After is how long they were waited for.
	After time.Duration
	// First is the error that was noticed first, of another rank.
	First error
}

func (e *Unresponsive) Error() string {
	who := make([]string, len(e.Ranks))
	for i := range e.Ranks {
		who[i] = fmt.Sprintf("rank %d (%s)", e.Ranks[i], e.Members[i])
	}
	return fmt.Sprintf("%s: no report within %v, hung or overloaded; noticed first: %v", strings.Join(who, ", "), e.After, e.First)
}

func (e *Unresponsive) Unwrap() error { return e.First }

// Mismatch is why a node was refused: its digest differs from that of the member that is the reference.
type Mismatch struct {
	Peer        Member
	Differences []Difference
}

func (e *Mismatch) Error() string {
	return fmt.Sprintf("this node's configuration differs from that of the job it tried to join: %s", describe(e.Differences, "node "+e.Peer.Name))
}

// JobFull is why a node was refused: it is one too many.
type JobFull struct {
	Job   string
	Ranks int
	By    Member
}

func (e *JobFull) Error() string {
	return fmt.Sprintf("job %q already runs with %d ranks (led by %s): give this one another job name and other addresses to join, or wait until that job has ended",
		e.Job, e.Ranks, e.By)
}

// KeyMismatch is why a node cannot join: the peer at Addr answers, but not with this node's gossip key.
type KeyMismatch struct {
	Addr string
	Err  error
}

func (e *KeyMismatch) Error() string {
	return fmt.Sprintf("could not join %s: the node there answers, but its gossip key differs from this node's, or only one of the two has a key", e.Addr)
}

func (e *KeyMismatch) Unwrap() error { return e.Err }

// JobMismatch is why a node cannot join: the peer at Addr is a node of another job.
type JobMismatch struct {
	Addr        string
	Job, Theirs string
}

func (e *JobMismatch) Error() string {
	return fmt.Sprintf("could not join %s: the node there is of job %q, this one of job %q; give both the same --job, or this one another address to join", e.Addr, e.Theirs, e.Job)
}

// BindError is why a node could not start: its gossip address cannot be bound.
type BindError struct {
	Addr string
	Err  error
}

func (e *BindError) Error() string {
	return fmt.Sprintf("cannot listen for gossip on %s: %v; choose another address with --bind (port 0 takes a free port)", e.Addr, e.Err)
}

func (e *BindError) Unwrap() error { return e.Err }

// LoopbackError is why a node cannot join: it tells the others an address that for each of them is its own machine.
type LoopbackError struct {
	Addr    string
	Because string
}

func (e *LoopbackError) Error() string {
	return fmt.Sprintf("no other machine reaches this node at %s, but %s, which is another machine: give this node an address that the others reach, "+
		"with --bind (such as 0.0.0.0:%d), or with --advertise where its name stands for 127.0.0.1 or 127.0.1.1", e.Addr, e.Because, DefaultPort)
}

// JoinTimeout is why no view began: members were missing until the end of Config.JoinTimeout.
type JoinTimeout struct {
	Job    string
	After  time.Duration
	Status WaitStatus
}

func (e *JoinTimeout) Error() string {
	s := e.Status
	var b strings.Builder
	if s.Expected == 0 {
		fmt.Fprintf(&b, "no running job %q has let this node in within %v", e.Job, e.After)
	} else {
		fmt.Fprintf(&b, "job %q has %d of %d ranks after %v, %d missing; here: %s", e.Job, len(s.Joined), s.Expected, e.After, s.Missing, names(s.Joined))
	}
	for _, r := range s.Refusals {
		fmt.Fprintf(&b, "; refused: %s", r)
	}
	for _, u := range s.Unreachable {
		fmt.Fprintf(&b, "; could not join %s: %v", u.Addr, u.Err)
	}
	for _, h := range s.Strangers {
		fmt.Fprintf(&b, "; a node from %s was turned away because its gossip key or its job differs", h)
	}
	for _, u := range s.Unreached {
		fmt.Fprintf(&b, "; this node (%s) cannot reach %s: %v", s.Self.Addr, u, u.Err)
	}
	if s.Expected > 0 && s.Missing == 0 && len(s.Unreached) == 0 && len(s.Joined) > 0 {
		if s.Joined[0].ID == s.Self.ID {
			b.WriteString("; all are there, but not all have agreed to begin")
		} else {
			fmt.Fprintf(&b, "; all are there, and this node reaches %s, which leads, but that one has not begun: it may not reach this node at %s, or another one; its own message says which",
				s.Joined[0].Name, s.Self.Addr)
		}
	}
	switch {
	case s.Expected == 0:
		b.WriteString("; check that the job runs and is elastic, that the addresses to join are those of its nodes, that the job names and the gossip keys agree, " +
			"and that firewalls pass TCP and UDP on the gossip ports")
	case s.Missing > 0:
		b.WriteString("; check that every rank was started with this expected size and job name, that the addresses to join are those of running nodes " +
			"(one that was started without --bind is reached from its own machine only), that the gossip keys agree, and that firewalls pass TCP and UDP on the gossip ports")
	default:
		b.WriteString("; check that every node tells the others an address that they reach (--bind, --advertise; behind NAT, that of the outside), and that firewalls pass TCP and UDP on the gossip ports in both directions")
	}
	return b.String()
}

// String says where the member was looked for, and what is wrong with that place.
func (u Unreached) String() string {
	s := fmt.Sprintf("%s at %s, the address that it tells", u.Member.Name, u.Member.Addr)
	if isLoopback(u.Member.Addr) {
		s += " (a loopback one, which for every machine is itself: start that node with another --bind or --advertise)"
	}
	return s
}

func names(ms []Member) string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = fmt.Sprintf("%s (%s)", m.Name, m.Addr)
	}
	return strings.Join(out, ", ")
}
