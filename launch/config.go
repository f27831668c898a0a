package launch

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Config says what to start.
type Config struct {
	// Ranks is the number of processes. Required.
	Ranks int
	// Command is the program of every rank, as exec.Command finds it, and its arguments. Required.
	Command []string
	// Join gives the arguments that make a rank join the one at an address: all but rank 0 get them behind Command's. In an elastic launch
	// that may be several addresses, with commas between them. Default: none.
	Join func(address string) []string
	// Env is the environment of every rank, in the form of os.Environ; the variables of the protocol are added to it. Default: empty.
	Env []string

	// Stdout gets the ranks' standard output, line by line.
	Stdout io.Writer
	// Stderr gets their standard error, line by line behind "rank N | ". Lines of several ranks never mix. Both are required.
	Stderr io.Writer
	// Terminal tells the ranks that Stderr is a terminal.
	Terminal bool
	// Quiet makes the ranks log warnings only.
	Quiet bool

	// Elastic lets ranks outlive each other. Default: nil, and the first failure ends all.
	Elastic *Elastic

	// Cores are those that each rank keeps to, as function Cores shares them out; in an elastic launch the slots that come on top of Ranks
	// run on any. Default: any.
	Cores [][]int
	// ExactTimers leaves the ranks' timers exact, for ranks that measure waits. Default: they may fire timerSlack late, which is faster.
	ExactTimers bool
	// Result makes Run take a result from rank 0. Default: nobody waits for one.
	Result bool

	// Consequence reports whether an exit code says that a rank ended because of another one, which then is the root cause. Default:
	// no code does.
	Consequence func(code int) bool
	// EndByThemselves is how long the other ranks have to end after a failure; longer than a cluster needs to agree on its cause.
	// Default 15 s.
	EndByThemselves time.Duration
	// EndUnformed takes the place of EndByThemselves until rank 0 says that it is in a cluster (Rank.Formed): till then nobody tells
	// the other ranks. Default 500 ms, for those that fail for the same reason to say so.
	EndUnformed time.Duration
	// EndAfterTerm is how long ranks have to end after the context has ended, before SIGTERM comes again; and after that, before
	// SIGKILL. In an elastic launch they get SIGINT in its place, for SIGTERM has them leave, and SIGKILL next. Default 5 s.
	EndAfterTerm time.Duration
	// JobControl stops the ranks when this process gets SIGTSTP, as by ctrl-Z, before it stops itself; they go on when it does.
	// It is the whole process's affair: one Run at a time. Default: none.
	JobControl bool
	// OnOverdue is called when the other ranks did not end by themselves, before they are ended. It may write to Stderr, into which
	// nobody else writes meanwhile. Default: none.
	OnOverdue func(Overdue)
}

// Overdue is that so many ranks did not end within After of the failure of rank Failed.
type Overdue struct {
	Ranks, Failed int
	After         time.Duration
}

// Default is a Config with all defaults; Ranks, Command, Stdout and Stderr are still to be set.
func Default() Config {
	return Config{
		Join:            func(string) []string { return nil },
		Consequence:     func(int) bool { return false },
		EndByThemselves: 15 * time.Second, EndUnformed: 500 * time.Millisecond, EndAfterTerm: 5 * time.Second,
		OnOverdue: func(Overdue) {},
	}
}

// Validate says what cannot be started, or nil.
func (c Config) Validate() error {
	switch {
	case c.Ranks < 1:
		return fmt.Errorf("launch: %d ranks: at least one is needed", c.Ranks)
	case len(c.Command) == 0:
		return errors.New("launch: no command to start")
	case c.Stdout == nil || c.Stderr == nil:
		return errors.New("launch: nowhere to write what the ranks write")
	case c.Cores != nil && len(c.Cores) != c.Ranks:
		return fmt.Errorf("launch: cores for %d ranks, where there are %d", len(c.Cores), c.Ranks)
	case c.EndByThemselves <= 0 || c.EndAfterTerm <= 0 || c.EndUnformed <= 0:
		return fmt.Errorf("launch: %v to end by themselves and %v after SIGTERM: give positive times", c.EndByThemselves, c.EndAfterTerm)
	case c.Join == nil || c.Consequence == nil || c.OnOverdue == nil:
		return errors.New("launch: a function is nil: start from Default")
	}
	return c.Elastic.validate(c)
}
