package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// What the launcher tells a rank through its environment.
const (
	EnvBirth     = "RINGLOOM_BIRTH"      // nanoseconds since 1970; increases from start to start, and so orders the cluster's members
	EnvLocalRank = "RINGLOOM_LOCAL_RANK" // number of the process on this machine, from 0: its rank, or its slot
	EnvTerminal  = "RINGLOOM_TERMINAL"   // not empty: the launcher prints on a terminal, so log for people and draw the bar
	EnvQuiet     = "RINGLOOM_QUIET"      // not empty: log warnings only
	EnvBound     = "RINGLOOM_BOUND"      // not empty: the process has cores of its own
	// EnvAnnounceFD is the number of the pipe into which rank 0, or every rank of an elastic launch, writes lines: its gossip address, and
	// sayFormed once it is in a cluster.
	EnvAnnounceFD = "RINGLOOM_ANNOUNCE_FD"
	// EnvResultFD is the number of the pipe into which rank 0 writes what it hands over, where the launcher wants that.
	EnvResultFD = "RINGLOOM_RESULT_FD"
)

// sayFormed is the line that says that the cluster has formed.
const sayFormed = "formed\n"

// Rank is what a process knows from the launcher that started it, if one has. The zero value but for LocalRank says that nobody did.
type Rank struct {
	Birth     time.Time // zero without a launcher
	LocalRank int       // number of the process on this machine, from 0; -1 without a launcher
	Terminal  bool      // standard error ends up on a terminal, though it is a pipe here
	Quiet     bool      // log warnings only
	Bound     bool      // the process has cores of its own

	announce, result int // numbers of pipes, 0 for none
}

// FromEnv reads what a launcher has told this process. getenv is os.Getenv but in tests. The error names a variable that
// no launcher writes so.
func FromEnv(getenv func(string) string) (Rank, error) {
	r := Rank{LocalRank: -1, Terminal: getenv(EnvTerminal) != "", Quiet: getenv(EnvQuiet) != "", Bound: getenv(EnvBound) != ""}
	birth := int64(0)
	for _, v := range []struct {
		name string
		set  func(int64)
	}{
		{EnvBirth, func(n int64) { birth = n }},
		{EnvLocalRank, func(n int64) { r.LocalRank = int(n) }},
		{EnvAnnounceFD, func(n int64) { r.announce = int(n) }},
		{EnvResultFD, func(n int64) { r.result = int(n) }},
	} {
		text := getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return r, fmt.Errorf("$%s is %q, which is no number that a launcher gives: unset it", v.name, text)
		}
		v.set(n)
	}
	if birth > 0 {
		r.Birth = time.Unix(0, birth)
	}
	return r, nil
}

// Announce tells the launcher, if it waits for that, at which address other ranks join this one. Call it again where that changes.
func (r Rank) Announce(address string) error { return r.say(address + "\n") }

// Formed tells the launcher, if it waits for that, that this rank is in a cluster: from now on the cluster tells its ranks of a
// failure. Call it after Announce.
func (r Rank) Formed() error { return r.say(sayFormed) }

// say writes a line, which is so short that the pipe takes it whole.
func (r Rank) say(line string) error {
	if r.announce == 0 {
		return nil
	}
	_, err := syscall.Write(r.announce, []byte(line))
	return err
}

// WantsResult reports whether the launcher waits for a result of this rank, which HandOver gives it.
func (r Rank) WantsResult() bool { return r.result != 0 }

// HandOver gives the launcher the whole result. Call it at most once, and only where WantsResult.
func (r Rank) HandOver(result []byte) error { return writePipe(r.result, result) }

// writePipe writes all that there is to say, and closes the pipe.
func writePipe(fd int, content []byte) error {
	pipe := os.NewFile(uintptr(fd), "launcher")
	_, err := pipe.Write(content)
	return errors.Join(err, pipe.Close())
}
