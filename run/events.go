package run

import (
	"io"
	"sync"
	"time"

	"ringloom/cluster"
	"ringloom/train"
)

// Event is something that a run says: one of the structs below. The package comment says who emits what, and where.
type Event interface{ event() }

// Sink takes the events of one node, one at a time and in their order. It must not block, for a step waits for it, and not call
// back into the run. Nothing changes an event afterwards: a sink may keep it. nil drops everything.
type Sink func(Event)

// serialize makes a sink that goroutines may share.
func serialize(s Sink) Sink {
	if s == nil {
		return func(Event) {}
	}
	var mu sync.Mutex
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		s(e)
	}
}

type (
	// Warning is what the user should know of a choice that was made for him, or of what could not be kept yet, in one line.
	Warning struct{ Text string }

	// Downloading is the progress of a file of the data set, in bytes; Total is -1 where the server does not tell.
	Downloading struct {
		File        string
		Done, Total int64
	}

	// Busy says what takes this node more than 2 s, and again from time to time while it lasts.
	Busy struct{ With string }

	// StateAbsent says that this node does not have the file to resume from; the leader's is taken.
	StateAbsent struct{ File string }

	// SettingsChanged says that a resumed run goes on with other settings than it had: "learning rate 0.002 (here 0.001)".
	SettingsChanged struct{ Had []string }

	// KernelsTried says that the device has tried how to compute fastest.
	KernelsTried struct{ KernelTrial }

	// Looking says that this node gossips and looks for the others.
	Looking struct {
		Address  string // of its gossip
		Expected int    // nodes, this one included
		// Device and Data are what it brings, for people; either may be empty.
		Device, Data string
	}

	// Waiting says who has joined and who is missing: when one has come or gone, and every 5 s without news.
	Waiting struct{ cluster.WaitStatus }

	// Joined says that all nodes are there, and which rank this one is.
	Joined struct{ View cluster.View }

	// Tuned says which ring and which buckets Config.Autotune has found to be fastest. All ranks have the same.
	Tuned struct {
		ChunkBytes, WindowBytes, Rings, BucketBytes int
		Before, After                               float64 // seconds of a step's sums
		RingsTried                                  int
		BucketTrials                                []train.BucketTrial
	}

	// Recording says that the run directory is there. Log is this rank's file in it, rank-N.log, for what is logged until RecordClosed.
	Recording struct {
		Dir string
		Log io.Writer
	}

	// RecordClosed says that Recording.Log is about to be closed: nobody may write to it any more.
	RecordClosed struct{}

	// Resuming says from where the leader goes on with a run.
	Resuming struct {
		File        string
		Step, Epoch int // steps that are done; the epoch of the next one, from 1
		WorldSize   int // of the run until then
	}

	// Training says that the first step is next.
	Training struct {
		View   cluster.View
		Config train.Config // as it is trained with: BucketBytes is what was tuned
		RunDir string
	}

	// Step is this rank's progress, after every step.
	Step struct{ train.Step }

	// ViewEnded says that a view of an elastic job has ended, and that the ranks now agree on the next one. Cause is what this rank's own
	// work has stopped with.
	ViewEnded struct {
		View  cluster.View
		Cause error
	}

	// ViewBegun says that the run is about to go on in the next view.
	ViewBegun struct {
		View    cluster.View
		Aligned train.Aligned
		RunDir  string
	}

	// Recovered says, with the first step in a new view, what the change has cost.
	Recovered struct {
		View    cluster.View
		Aligned train.Aligned
		// Pause is the time from the last step before the change to the first one behind it, less what a step takes. Its parts from the last
		// step on: until the view's end was known here, the ranks had agreed, the ring was there, and all ranks were at one place.
		Pause                           time.Duration
		Known, Agreed, Ring, AtOnePlace time.Duration
	}

	// Evicted says that the others have gone on without this rank, and that it comes back as one that joins.
	Evicted struct{ Err *cluster.Evicted }

	// Epoch is the outcome of an epoch over all ranks.
	Epoch struct{ train.Epoch }

	// Checkpoint says that the run's state is kept.
	Checkpoint struct {
		File string
		Step int // steps that are done
		Took time.Duration
	}

	// ClockMeasured is how far this rank's clock is behind that of rank 0, where a timeline is recorded.
	ClockMeasured struct{ Behind, Uncertainty time.Duration }

	// TimelineWritten says that a timeline of so many ranks is in a file.
	TimelineWritten struct {
		File  string
		Ranks int
	}

	// Finished says that the last epoch is done and its parameters are kept.
	Finished struct{ Result }

	// Diagnostic is what a part of the run says that matters only to who looks for a fault. Text or Err may be empty.
	Diagnostic struct {
		Source string // "nats server", "leaving the cluster"
		Text   string
		Err    error
	}

	// Stopped is the error that ended this rank's own work; it may follow from another rank's.
	Stopped struct{ Err error }

	// Failure is the error that the run ends with: the root cause, as all ranks have found it together. It is the last event.
	Failure struct{ Err error }
)

func (Warning) event()         {}
func (Downloading) event()     {}
func (Busy) event()            {}
func (StateAbsent) event()     {}
func (SettingsChanged) event() {}
func (KernelsTried) event()    {}
func (Looking) event()         {}
func (Waiting) event()         {}
func (Joined) event()          {}
func (Tuned) event()           {}
func (Recording) event()       {}
func (RecordClosed) event()    {}
func (Resuming) event()        {}
func (Training) event()        {}
func (Step) event()            {}
func (ViewEnded) event()       {}
func (ViewBegun) event()       {}
func (Recovered) event()       {}
func (Evicted) event()         {}
func (Epoch) event()           {}
func (Checkpoint) event()      {}
func (ClockMeasured) event()   {}
func (TimelineWritten) event() {}
func (Finished) event()        {}
func (Diagnostic) event()      {}
func (Stopped) event()         {}
func (Failure) event()         {}
