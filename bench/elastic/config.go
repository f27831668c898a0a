package elastic

import (
	"fmt"
	"time"
)

// LeftCode is the exit code of a rank that has left at SIGTERM.
const LeftCode = 6

// Config says what is measured.
type Config struct {
	Ranks                int // of the job, at least 2
	Kills, Stops, Leaves int // of each so many; joins follow from them
	Seed                 uint64
	// Rank is what all ranks have in common.
	Rank RankConfig
	// Samples of an epoch.
	Samples int

	// Command starts a rank, in the folder Dir, where the run's record and each rank's standard error go.
	Command []string
	Env     []string
	Dir     string
	// Say tells of the progress in a line. nil: nobody.
	Say func(format string, args ...any)
}

// Validate says in one line what cannot be measured, naming the flag, or returns nil.
func (c Config) Validate() error {
	switch {
	case c.Ranks < 2:
		return fmt.Errorf("--ranks %d: one alone has nobody who goes on; give at least 2", c.Ranks)
	case c.Kills < 0 || c.Stops < 0 || c.Leaves < 0 || c.Kills+c.Stops+c.Leaves == 0:
		return fmt.Errorf("--kills %d --stops %d --leaves %d: give no negative number, and one above 0", c.Kills, c.Stops, c.Leaves)
	case c.Rank.GlobalBatch < c.Ranks:
		return fmt.Errorf("--global-batch %d: %d ranks cannot share it; give at least one sample a rank", c.Rank.GlobalBatch, c.Ranks)
	}
	return nil
}

func (c Config) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(format, args...)
	}
}

const (
	// warmUp is how many steps there are before the first fault, and what a step takes is known.
	warmUp = 25
	// patience is how long anything may take that must happen: half a minute and more is known on machines that are short of cores.
	patience = 2 * time.Minute
	// thaw is how many steps the others do before one that was stopped goes on.
	thaw = 5
)
