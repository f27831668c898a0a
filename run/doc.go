// Package run is one node's whole training job: it opens the device and the data, joins the cluster, agrees with the other ranks,
// trains, keeps the run's record, and leaves. It knows nothing of a command line, a terminal or exit codes.
//
// # Use
//
//	c := run.Default()
//	c.Member.WorldSize, c.Member.Join = 3, []string{"first-machine:7946"}
//	result, err := run.Node(ctx, c, func(e run.Event) { ... })
//
// Node blocks until the last epoch is done on all ranks, and ends early when its context does, or when another rank fails. It leaves no
// goroutine, port or lock behind. Its error is the run's root cause, of one of the kinds in errors.go. What joins a cluster for another
// purpose, as the benchmarks do, has a Member and its Session instead.
//
// Nothing here belongs to the process: several nodes run in one, as job_test.go does. Secrets, the time of birth, the cores of
// this process, its cache and the number of its processors come in through the Config. Two things are the caller's to know: Node locks its
// goroutine to an OS thread, and a relative path is the working directory's.
//
// # Events
//
// What a run says goes to a Sink, one Event at a time. Terminal, log and page are sinks; none of them is known here.
//
//	event            which ranks        when
//	Warning          any                something was chosen, or could not be kept yet, and the user should know
//	Busy             any                something takes more than 2 s, and again now and then
//	StateAbsent      any but the leader it resumes, and has no state
//	SettingsChanged  any with the state it resumes with other settings
//	Downloading      any                a file of the data set comes in (*)
//	KernelsTried     any                the device has tried how to compute fastest
//	Looking          all                it gossips
//	Waiting          all                while nodes are missing
//	Joined           all                the view has begun
//	Recording        all                the run directory is there
//	Tuned            all                with Autotune
//	Resuming         the leader         it resumes
//	Training         all                before the first step
//	Step             all                after every step
//	ViewEnded        all                elastic: somebody is gone, leaves or joins; the ranks agree on the next view
//	ViewBegun        all                elastic: the next view is there, and its ranks are at one place
//	Recovered        all                elastic: after the first step in the next view, what the change has cost
//	Evicted          one                elastic: the others have gone on without this rank, which comes back
//	Epoch            all                after every epoch, with the same outcome
//	Checkpoint       the leader         the run's state is kept
//	Finished         all                the last epoch is done
//	ClockMeasured    all                with a timeline
//	TimelineWritten  one                with a timeline
//	RecordClosed     all that record    after everything that is to be in rank-N.log
//	Stopped          all that fail      this rank's own work has ended with an error; the ranks find the cause
//	Failure          all that fail      the last event
//	Diagnostic       any                something that matters only to who looks for a fault (*)
//
// They come on Node's goroutine, which is the one that trains, so a sink that blocks holds up the step on all ranks: it may write a line,
// not wait for somebody. Those with a (*) may come on another goroutine between the others; never two at a time.
//
// # Which file holds what
//
// node.go is the job from beginning to end. member.go is what every member of a cluster has, ring.go the ring between them. initial.go,
// state.go, state_parse.go and resume.go are what a run starts from, record.go what it leaves and folder.go where, kernels.go and autotune.go what is tried beforehand,
// trace.go the timeline. digest.go is what all ranks must agree on.
package run
