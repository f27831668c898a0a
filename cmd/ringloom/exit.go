package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"ringloom/cluster"
	"ringloom/internal/printable"
	"ringloom/run"
	"ringloom/train"
)

// The exit codes, documented in `ringloom --help` and docs/cluster.md.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitData        = 3
	exitCluster     = 4
	exitPeer        = 5
	exitDeparted    = 6
	exitInterrupted = 130
)

var exitMeanings = []struct {
	code    int
	meaning string
}{
	{0, "everything asked for was done"},
	{exitFailed, "this process failed, or its results could not be written: the last line says why"},
	{exitUsage, "unknown command, flag or value, a device that this machine lacks, a file that cannot be written, or a run directory in use"},
	{exitData, "the data set is missing, damaged or cannot be downloaded; or a checkpoint is missing, damaged, or of another model or run"},
	{exitCluster, "the cluster did not form: missing peers, another configuration, wrong key, port in use; or no NATS server where --nats says, or it refuses"},
	{exitPeer, "another rank died or failed during training"},
	{exitDeparted, "left an elastic run at SIGTERM: the others go on, or all have left and the run's state is kept for --resume"},
	{exitInterrupted, "ended by SIGINT or SIGTERM"},
}

func exitCodeHelp() string {
	var b strings.Builder
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	return strings.TrimRight(b.String(), "\n")
}

type (
	// usageError is a mistake in the command line.
	usageError struct{ error }
	// alreadyShown carries the exit code of an error that the user has read already.
	alreadyShown struct{ code int }
	// interrupted is the cause of a context that a signal cancelled.
	interrupted struct{ signal os.Signal }
)

func (e usageError) Unwrap() error    { return e.error }
func (e *alreadyShown) Error() string { return fmt.Sprintf("exit code %d", e.code) }
func (e *interrupted) Error() string  { return fmt.Sprintf("interrupted by signal %q", e.signal) }

// Is makes it the interruption that the cluster knows, in words that say which signal.
func (e *interrupted) Is(target error) bool { return target == cluster.ErrInterrupted }

func exitCode(err error) int {
	var (
		shown *alreadyShown
		stop  *interrupted
	)
	switch {
	case errors.As(err, &shown):
		return shown.code
	case errors.As(err, new(run.DepartedError)):
		return exitDeparted
	case errors.As(err, &stop):
		return exitInterrupted
	case errors.As(err, new(usageError)), errors.As(err, new(run.UsageError)):
		return exitUsage
	case errors.As(err, new(run.DataError)):
		return exitData
	case errors.As(err, new(run.ClusterError)):
		return exitCluster
	case errors.As(err, new(run.PeerError)):
		return exitPeer
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra has no type for it
		return exitUsage
	}
	return exitFailed
}

// explain is an error in one line, whatever a library or a peer put into it. A setting is called by its flag.
func explain(err error) string {
	text := err.Error()
	var named *run.SettingError
	if errors.As(err, &named) {
		text = strings.Replace(text, named.Error(), "--"+named.Error(), 1)
	}
	var wrong *train.SettingError
	if errors.As(err, &wrong) {
		text = strings.Replace(text, wrong.Error(), wrong.Named("--"+setting(wrong.Field).Flag), 1)
	}
	return printable.Text(strings.Join(strings.Fields(text), " "))
}
