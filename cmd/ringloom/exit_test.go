package main

import (
	"errors"
	"fmt"
	"testing"

	"ringloom/run"
)

func TestErrorsHaveTheirExitCodes(t *testing.T) {
	plain := errors.New("plain")
	for _, c := range []struct {
		err  error
		code int
	}{
		{plain, exitFailed},
		{usageError{plain}, exitUsage},
		{run.UsageError{Err: plain}, exitUsage},
		{run.DataError{Err: plain}, exitData},
		{run.ClusterError{Err: plain}, exitCluster},
		{run.PeerError{Err: plain}, exitPeer},
		{run.AgreedError{Err: run.PeerError{Err: plain}}, exitPeer},
		{run.AgreedError{Err: plain}, exitFailed},
		{fmt.Errorf("training: %w", run.DataError{Err: plain}), exitData},
		{&interrupted{}, exitInterrupted},
		{&alreadyShown{7}, 7},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%#v: exit code %d, want %d", c.err, got, c.code)
		}
	}
}

func TestSettingsAreCalledByTheirFlags(t *testing.T) {
	err := fmt.Errorf("first:\n  %w", run.UsageError{Err: &run.SettingError{Setting: "bind", Err: errors.New("bind nowhere: no address")}})
	if got := explain(err); got != "first: --bind nowhere: no address" {
		t.Errorf("%q", got)
	}
	if got := explain(errors.New("two\nlines")); got != "two lines" {
		t.Errorf("%q", got)
	}
}
