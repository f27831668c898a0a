package run

import (
	"errors"
	"fmt"

	"ringloom/allreduce"
	"ringloom/train"
)

// The kinds of errors with which a run ends, for errors.As; whoever runs a node decides what they mean to its caller, such as an exit
// code. One that is of none of them is this node's own failure.
type (
	// UsageError is a configuration that cannot be run.
	UsageError struct{ Err error }
	// DataError is a data set, a checkpoint or a run's state that cannot be used.
	DataError struct{ Err error }
	// ClusterError is a cluster that did not form.
	ClusterError struct{ Err error }
	// PeerError is a run that another rank ended; it wraps what the cluster found to be the root cause, such as a *cluster.Aborted.
	PeerError struct{ Err error }
	// AgreedError is one that every rank finds by itself from what all were told, so that none is the cause of another's. It wraps
	// one of another kind, where it is of one.
	AgreedError struct{ Err error }
)

func (e UsageError) Error() string   { return e.Err.Error() }
func (e DataError) Error() string    { return e.Err.Error() }
func (e ClusterError) Error() string { return e.Err.Error() }
func (e PeerError) Error() string    { return e.Err.Error() }
func (e AgreedError) Error() string  { return e.Err.Error() }

// Unwrap gives what is wrong.
func (e UsageError) Unwrap() error { return e.Err }

// Unwrap gives what is wrong.
func (e DataError) Unwrap() error { return e.Err }

// Unwrap gives what is wrong.
func (e ClusterError) Unwrap() error { return e.Err }

// Unwrap gives the root cause.
func (e PeerError) Unwrap() error { return e.Err }

// Unwrap gives what every rank has found.
func (e AgreedError) Unwrap() error { return e.Err }

// SettingError says which setting an error is about.
type SettingError struct {
	Setting string // as the command line has it, without dashes: "device", "chunk-bytes"
	Err     error  // its text begins with the setting; the command line puts dashes before it
}

func (e *SettingError) Error() string { return e.Err.Error() }

// Unwrap gives what is wrong.
func (e *SettingError) Unwrap() error { return e.Err }

// settingError is about a setting, whose name goes directly before what the format makes.
func settingError(name, format string, args ...any) error {
	return &SettingError{Setting: name, Err: fmt.Errorf(name+format, args...)}
}

// Agreed marks a loss, a norm or a parameter that is not finite: every rank has found it by itself, with the same words. rank is this
// one's. Other errors come back as they are.
func Agreed(err error, rank int) error {
	var found *train.NonFiniteError
	switch {
	case errors.As(err, new(*train.NonFiniteParameterError)):
		return AgreedError{err}
	case !errors.As(err, &found):
		return err
	case found.Rank >= 0 && found.Rank != rank:
		err = PeerError{err}
	}
	return AgreedError{err}
}

// ringError is a failed collective. It follows from another rank's failure unless this rank itself broke the rules.
type ringError struct{ err *allreduce.Error }

// Consequence is asked by the cluster, which looks for the root cause.
func (e ringError) Consequence() bool {
	for _, kind := range []error{allreduce.ErrNeighbourLost, allreduce.ErrAborted, allreduce.ErrTimeout, allreduce.ErrCancelled, allreduce.ErrClosed} {
		if errors.Is(e.err.Kind, kind) {
			return true
		}
	}
	return false
}

func (e ringError) Error() string { return e.err.Error() }
func (e ringError) Unwrap() error { return e.err }
