// Package launch starts the ranks of one machine as processes, watches them, and says which one failed first.
//
// # Use
//
//	outcome, err := launch.Run(ctx, launch.Config{Ranks: 4, Command: []string{"ringloom", "train", ...}, ...})
//	var failed *launch.Failure // errors.As: the rank that is the root cause, and how it ended
//
// Run blocks until every rank has ended and everything that they wrote has been copied. When the context ends, the ranks get
// SIGTERM once, end by themselves, and Run returns the context's cause. After the first failure the others have
// Config.EndByThemselves to find out by themselves, as ranks of a cluster do; those left get SIGTERM, and SIGKILL after
// Config.EndAfterTerm more. A second signal to the launcher itself is its caller's affair. If the launcher dies, the system sends
// its ranks SIGTERM (Linux), perhaps more than once.
//
// # Ranks that outlive each other
//
// With Config.Elastic a rank's death does not end the others: its slot is filled again, by a process that joins them. A roster
// (roster.go), which knows neither processes nor a clock, decides what is started, told and given up; Run does it. When the context
// ends, the ranks get SIGINT, for SIGTERM has them leave. The error is nil once any rank has done what it was asked.
//
// # What launcher and rank tell each other
//
// The launcher's part is in variables of the rank's environment, the rank's in pipes whose numbers these variables hold
// (protocol.go). A rank reads them once, with FromEnv. Rank 0 announces the address at which the others join it, and they are
// started then: the launcher itself is no member of the cluster. In an elastic launch all announce theirs, for any may be joined.
//
// # Goroutines
//
// Every rank has one, on an OS thread of its own that has started the process and lasts as long as it does; two more copy its
// output. The slots are Run's own, which hears of an end through a channel.
//
// # To test with it
//
// Command may be a shell script: launch_test.go has ranks that announce, fail, hang and are killed. roster_test.go plays whole launches
// in virtual time.
package launch
