package main

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"

	"ringloom/internal/sysinfo"
	"ringloom/launch"
	"ringloom/run"
)

func TestAFailedLaunchSaysHowTheCauseEnded(t *testing.T) {
	for _, c := range []struct {
		exit launch.Exit
		code int
		says string
	}{
		{launch.Exit{Code: -1, Signal: syscall.SIGKILL}, exitPeer, "rank 1 (pid 42) was killed by signal 9"},
		{launch.Exit{Code: exitData}, exitData, "rank 1 (pid 42) failed with exit code 3"},
		{launch.Exit{Code: exitInterrupted}, exitInterrupted, "rank 1 (pid 42) was interrupted"},
		{launch.Exit{Code: -1, Err: errors.New("lost")}, exitFailed, ""},
	} {
		c.exit.Rank, c.exit.PID = 1, 42
		var log bytes.Buffer
		if err := showFailure(&launch.Failure{Exit: c.exit}, &log); exitCode(err) != c.code {
			t.Errorf("%+v: %v, want exit code %d", c.exit, err, c.code)
		}
		if !strings.Contains(log.String(), c.says) {
			t.Errorf("%+v: %q lacks %q", c.exit, &log, c.says)
		}
	}
}

func TestRanksRunWhereTheyAreBound(t *testing.T) {
	cores, err := sysinfo.AllowedCores()
	if err != nil || len(cores) < 2 {
		t.Skipf("SKIPPED: two cores are needed, there are %v (%v)", cores, err)
	}
	needData(t)
	needSpeed(t)
	p := start(t, t.TempDir(), append([]string{"launch", "-n", "2", "--threads", "1", "--bind-to", "core", "--", "--offline"}, quick...)...)
	p.wantExit(0)
	if p = start(t, t.TempDir(), "launch", "-n", "2", "--threads", "1000", "--bind-to", "core"); true {
		p.wantExit(2)
		p.waitFor(`--bind-to core: 2 processes of 1000 threads need 2000 cores`)
	}
}

// Each launch has a key of its own, unless the user gave one or wants none.
func TestLaunchSecrets(t *testing.T) {
	t.Setenv(envKey, "")
	first, second := launchSecrets(nil), launchSecrets(nil)
	if len(first) != 1 || len(first[0]) < len(envKey)+1+run.MinKeyBytes || first[0] == second[0] {
		t.Errorf("two launches have %q and %q", first, second)
	}
	if env := launchSecrets([]string{"train", "--insecure"}); env != nil {
		t.Errorf("with --insecure: %q", env)
	}
	t.Setenv(envKey, "given")
	if env := launchSecrets(nil); env != nil {
		t.Errorf("where one was given: %q", env)
	}
}
