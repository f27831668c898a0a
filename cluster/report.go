package cluster

import (
	"context"
	"errors"
	"strings"
	"time"

	"ringloom/internal/printable"
)

// Kind says how a rank's report ranks among the causes of a job's end.
type Kind string

const (
	// Primary is a rank's own error.
	Primary Kind = "primary"
	// Unformed is a rank's own error that kept the job from beginning, though the nodes had found each other.
	Unformed Kind = "unformed"
	// Interrupted is a stop that was asked for, such as by a signal.
	Interrupted Kind = "interrupted"
	// Departed is a rank that left in mid-job without saying why.
	Departed Kind = "departed"
	// Secondary is an error that follows from another rank's: a neighbour went away, the view ended.
	Secondary Kind = "secondary"

	died Kind = "died" // not reported by the rank, of course
)

// class orders kinds: the smallest of all evidence is the root cause.
func (k Kind) class() int {
	switch k {
	case died, Primary:
		return 0
	case Unformed: // may follow from a death
		return 1
	case Interrupted:
		return 2
	case Departed:
		return 3
	default:
		return 4
	}
}

// ErrInterrupted is the reason to give to [Node.Abort] when the process was asked to stop.
var ErrInterrupted = errors.New("interrupted by signal")

// classify finds the kind of an error: Secondary where something in its chain has a method Consequence() bool that says
// so (any package can have one; the ends of views have it) or is context.Canceled, Interrupted where ErrInterrupted is
// in its chain, Unformed where something there has a method Unformed() bool that says so, else
// Primary.
func classify(err error) Kind {
	var c interface{ Consequence() bool }
	var u interface{ Unformed() bool }
	switch {
	case errors.As(err, &u) && u.Unformed():
		return Unformed
	case errors.As(err, &c) && c.Consequence():
		return Secondary
	case errors.Is(err, ErrInterrupted):
		return Interrupted
	case errors.Is(err, context.Canceled):
		return Secondary
	}
	return Primary
}

// report is what a rank says when it has stopped.
type report struct {
	Kind Kind      `json:"kind"`
	Text string    `json:"text"`
	At   time.Time `json:"at"` // the sender's clock
}

// oneLine makes a reason fit into a line of a log: no line breaks, nothing that a terminal would obey, at most 2,000
// bytes.
func oneLine(s string) string {
	s = printable.Text(strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?"))
	const most = 2000
	if len(s) > most+len("...") {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// evidence is one thing that is known about why a view ended.
type evidence struct {
	rank int
	kind Kind
	err  error
}

// rootOf picks the root cause, the first of the smallest class, and gives that class. The cause is nil without evidence.
func rootOf(all []evidence) (class int, cause error) {
	class = Secondary.class() + 1
	for _, e := range all {
		if e.kind.class() < class {
			class, cause = e.kind.class(), e.err
		}
	}
	return class, cause
}
