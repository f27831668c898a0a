package cluster

import (
	"fmt"
	"time"
)

// WaitStatus is how far the job is in gathering its ranks.
type WaitStatus struct {
	// Self is this node.
	Self Member
	// Joined are the members that agree with this node, itself among them, in the order of their future ranks.
	Joined   []Member
	Expected int
	// Missing is Expected less those joined, never negative.
	Missing int
	// Refusals are the nodes that this one has turned away.
	Refusals []Refusal
	// Unreachable are the addresses of Config.Join that could not be joined when last tried.
	Unreachable []Unreachable
	// Unreached are the members that this node waits for and cannot reach at the address that they tell.
	Unreached []Unreached
	// Strangers are the first 8 addresses from which something came that a node with another gossip key may have sent.
	Strangers []string
	// Left is the time until WaitView gives up.
	Left time.Duration
}

// Refusal is a node that was turned away and why.
type Refusal struct {
	Member Member
	// Differences is how that node's configuration differs, Here being this node's; empty until that node has told, and
	// where it was one too many.
	Differences []Difference
	// Full says that the node agreed, but was one too many.
	Full bool
}

func (r Refusal) String() string {
	switch {
	case r.Full:
		return fmt.Sprintf("%s (%s), one too many", r.Member.Name, r.Member.Addr)
	case r.Differences == nil:
		return fmt.Sprintf("%s (%s), another configuration", r.Member.Name, r.Member.Addr)
	}
	return fmt.Sprintf("%s (%s), another configuration: %s", r.Member.Name, r.Member.Addr, describe(r.Differences, "it"))
}

// Unreachable is an address of Config.Join and why the node there could not be joined.
type Unreachable struct {
	Addr string
	Err  error
}
