// Package cluster finds the ranks of a job, agrees on who is who, and tells every rank within seconds when one of them
// is gone.
//
// # Use
//
//	node, err := cluster.Start(ctx, cfg)      // listens and gossips
//	defer node.Close()
//	view, err := node.WaitView(ctx)           // blocks until exactly cfg.WorldSize agreeing members are there
//	err = train(view.Context(), view)         // context.Cause says why the view ended: *MemberLost or *Aborted
//	if err != nil {
//		node.Abort(err)                       // every rank does this once its own work has stopped
//		root := node.RootCause(ctx)           // the first failing rank's error
//		if node.Leads() { print(root) }    // the oldest survivor prints it, once
//	} else {
//		err = node.Finish(ctx)                // from here on, others may leave
//	}
//	node.Leave(ctx)
//
// # What it agrees on
//
// Members are ordered by birth, then by identifier; a member's index in that order is its rank. The oldest member that
// is alive leads: it proposes a numbered view, all of its members accept, and only then does it commit it. Work belongs
// to a view and its generation; a view that has ended never starts again. A next generation, without the dead, can form
// in the same manner.
//
// All members must agree on a digest: the job, the expected size, and what the caller adds. Where digests differ, a
// running job refuses the newcomer; while forming, the oldest member is the reference and refuses every younger member
// that differs from it. The refused node gets a field-by-field diff; the refusing one shows it in its waiting status
// and its time-out, and goes on waiting, so that a corrected node can still join. One node too many is refused as well,
// and the running ranks never notice.
//
// # Views that follow each other
//
// With Config.Elastic a job outlives its ranks. A view ends on all as soon as one of them misses another or asks for the
// next view; each stops its work and calls [Node.Next]:
//
//	for {
//		err = train(view.Context(), view)
//		view, err = node.Next(ctx, view, leaving)  // nothing more is committed in the old view
//	}
//
// The oldest member that is there proposes the next: those who are there, then nodes that wait to join. More than
// half of the old view must agree, or half with its rank 0, or all who are not proven dead, which on one machine the
// system knows (machine_linux.go). So at no time are two views at work of which neither follows from the other:
// decision 0023 says why, simulation_test.go tries. Work is bound to a view, so what the next one does with a step
// that some had committed is the caller's to settle; ranks that go on together are at most one step apart if a step
// needs all of them.
//
// A rank that the others left out gets an *Evicted, from Next or, where it never heard of the view that it was let
// into, from WaitView. It calls Leave and Close, and comes back as a new node with a WorldSize of 0 that joins the
// others. A rank of the former view, View.Former[rank] >= 0, may be one that was let into a view that never worked:
// whether it has what the job has reached, only the caller knows.
//
// # How a death is noticed
//
// A refused TCP connection to the member's gossip port is certain evidence: names are unique to an incarnation, so
// nobody else could have answered there. It is found by memberlist's own probes (twice a second) or at once after
// [Node.Suspect], it is confirmed by a second connection, and it is told to all. A silent member (a cut cable, a
// stopped process, a dead machine) is slow evidence: gossip declares it dead after about five seconds without an answer
// (up to about 100 members), so that a node whose cores are all busy for a second or two is not taken for dead. A member
// of the view that gossip takes for dead is asked before it is given up, for any node may gossip that. A process that
// was stopped itself says so in its error, and blames nobody (pause.go).
//
// # Who may say what
//
// Streams begin with a handshake by which both ends show the gossip key (handshake.go); their number, length and time
// are bounded (gate.go, limits.go). A node's identifier commits to a key pair of its process (identity.go), with which
// it signs its metadata and messages, so that no holder of the gossip key speaks for another.
//
// # Blocking, goroutines, shutdown
//
// One goroutine owns the state; Abort and Suspect never block. WaitView, RootCause, Finish and Leave block until their
// context ends at the latest. Close ends all goroutines of the node, then returns; Close without Leave looks like a
// crash to the others. Config.OnWaiting is called from inside WaitView, on the caller's goroutine.
//
// # Inside
//
// core.go, core_form.go, core_run.go, core_next.go, core_join.go and succession.go are a state machine without
// sockets, goroutines or clocks: inputs come with their time, outputs are actions. node.go is the shell. Messages
// between nodes travel in order and exactly once per pair of nodes (courier.go, inbox.go) over memberlist's reliable
// streams. scenario_test.go runs many cores by script, testdata has what they say; simulation_test.go runs them in
// virtual time, with faults.
package cluster
