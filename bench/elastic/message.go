package elastic

import "time"

// RankConfig is what a rank's process reads from standard input.
type RankConfig struct {
	Name        string        `json:"name"`
	Expect      int           `json:"expect,omitempty"` // 0: join whatever is there
	Join        string        `json:"join,omitempty"`   // empty in the first one
	Elastic     bool          `json:"elastic"`
	Model       string        `json:"model"`
	GlobalBatch int           `json:"global_batch"`
	MaxSteps    int           `json:"max_steps,omitempty"` // 0: until it is told to leave
	Emulate     time.Duration `json:"emulate,omitempty"`   // 0: compute
	Share       int           `json:"share,omitempty"`     // samples of a rank's step that Emulate is for
	Device      string        `json:"device,omitempty"`
	Threads     int           `json:"threads,omitempty"`
	Data        string        `json:"data,omitempty"`
	Seed        uint64        `json:"seed"`
}

// The kinds of a Message.
const (
	Address   = "address"   // the rank can be joined
	Seated    = "seated"    // it is about to work in a view
	Stepped   = "stepped"   // it has committed a step
	Recovered = "recovered" // it has committed the first step in a view that follows another; before the Stepped of that step
	Evicted   = "evicted"   // the others have gone on without it
)

// Message is a line of what a rank says. Each kind has the fields that are named with it, and At.
type Message struct {
	Kind string `json:"kind"`
	At   int64  `json:"at"` // nanoseconds since 1970

	Address string `json:"address,omitempty"` // Address

	// Seated, Recovered, Stepped: the view, and this rank's place in it.
	View    uint64   `json:"view,omitempty"`
	Rank    int      `json:"rank,omitempty"`
	Members []string `json:"members,omitempty"` // names by rank; not in Stepped

	// Stepped.
	Epoch int   `json:"epoch,omitempty"` // from 1
	Step  int   `json:"step,omitempty"`  // in the epoch, from 1
	Steps int   `json:"steps,omitempty"` // in an epoch
	Batch int   `json:"batch,omitempty"` // samples of this rank in this step
	Told  []int `json:"told,omitempty"`  // what every rank has told to have in it

	// Recovered: what Last, the time of the last step before the change, was followed by, in nanoseconds from there on: the view's end was
	// known, the next one agreed on, its ring there, all at one place.
	Last   int64 `json:"last,omitempty"`
	Known  int64 `json:"known,omitempty"`
	Agreed int64 `json:"agreed,omitempty"`
	Ring   int64 `json:"ring,omitempty"`
	Place  int64 `json:"place,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"` // of the state that went round
}

// Total is the number of the step in the run, from 1.
func (m Message) Total() int { return (m.Epoch-1)*m.Steps + m.Step }
