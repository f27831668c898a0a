package cluster

import (
	"context"
	"time"
)

// Next says that this rank's work in a view has stopped for good: it commits nothing in it any more. Then it blocks until
// the members have agreed on a later view, and returns that. A member promises nothing for the next view before its own
// Next, so that nobody who is counted there still commits in the old one. Where the old view's Context has not ended,
// it ends with ErrViewChange, here and on all others.
//
// With leaving, this rank takes part in the agreement and is not in the next view.
//
// Errors: *Evicted where the others have gone on without this rank, *NoQuorum after Config.ElasticWait, ErrDeparted for one that
// is leaving, once the others know, ErrRigid, ErrClosed, or the context's cause. After all of them but ErrRigid the
// node is of no further use: call Leave and Close.
func (n *Node) Next(ctx context.Context, after View, leaving bool) (View, error) {
	if !n.cfg.Elastic {
		return View{}, ErrRigid
	}
	n.mail.post(func() { n.core.next(time.Now(), after.Generation, leaving) })
	var failure error
	err := n.await(ctx, func() bool {
		reached := false
		reached, failure = n.core.nextReached(after.Generation)
		return reached
	})
	switch {
	case err != nil:
		return View{}, err
	case failure != nil:
		return View{}, failure
	}
	return n.current(), nil
}

// Joiners is how many nodes wait to be in the next view, as far as there is room. It costs a load from memory.
func (n *Node) Joiners() int { return int(n.joiners.Load()) }

// Known lists the gossip addresses of all live members of the view, this one's last.
func (n *Node) Known() []string {
	var known []string
	_ = n.ask(func() { known = n.core.liveAddrs() }) // none on a closed node
	return known
}
