package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"ringloom/internal/sysinfo"
	"ringloom/launch"
	"ringloom/report"
)

// launched is what the launcher that started this process has told it, if one has. main reads it once.
var launched = launch.Rank{LocalRank: -1}

// rankArguments are those of one of n ranks on this machine: of the command, with its flags.
func rankArguments(n int, command ...string) []string {
	return append(command, "--expect", strconv.Itoa(n), "--bind", "127.0.0.1:0")
}

// launchConfig starts n ranks on this machine: processes of any command that joins a cluster.
func launchConfig(n int, out, log io.Writer, args []string) (launch.Config, error) {
	c := launch.Default()
	if err := checkTasks(n, 1); err != nil {
		return c, err
	}
	executable, err := os.Executable()
	if err != nil {
		return c, fmt.Errorf("finding this program to start it again: %w", err)
	}
	c.Ranks, c.Command, c.Env = n, append([]string{executable}, args...), append(os.Environ(), launchSecrets(args)...)
	c.Join = func(address string) []string { return []string{"--join", address} }
	c.Stdout, c.Stderr = out, log
	c.Consequence = func(code int) bool { return code == exitPeer }
	c.OnOverdue = func(o launch.Overdue) {
		fmt.Fprintf(log, "ringloom: %d ranks did not end within %v of rank %d's failure; ending them\n", o.Ranks, o.After, o.Failed)
	}
	c.Terminal, c.JobControl = isTerminal(log), true
	standardOutput.bePatient(false)
	orderlyEnd.Store(int64(3 * c.EndAfterTerm)) // the ranks' ends come first
	return c, nil
}

// launchSecrets makes a key for this launch unless the user gave one, or wants none.
func launchSecrets(args []string) (env []string) {
	for _, a := range args {
		if a == "--insecure" || a == "--insecure=true" {
			return nil
		}
	}
	if os.Getenv(envKey) == "" {
		env = append(env, envKey+"="+rand.Text()+rand.Text())
	}
	return env
}

// startRanks runs a launch to its end, and prints its root cause last.
func startRanks(ctx context.Context, c launch.Config) (launch.Outcome, error) {
	outcome, err := launch.Run(ctx, c)
	var failed *launch.Failure
	if !errors.As(err, &failed) {
		return outcome, err
	}
	return outcome, showFailure(failed, c.Stderr)
}

// showFailure prints how a launch failed, and is an error with the exit code for that.
func showFailure(f *launch.Failure, log io.Writer) error {
	switch {
	case f.Hung:
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) hung, ended by launch; the other ranks ended because of it\n", f.Rank, f.PID)
		return &alreadyShown{exitPeer}
	case f.Crash != "":
		hint := "this is a fault of ringloom's: please report what stands above"
		if strings.Contains(f.Crash, "new OS thread") || strings.Contains(f.Crash, "pthread_create") {
			hint = "the system gives it no more threads: raise the limit (pids.max of the container, ulimit -u), or start fewer ranks"
		}
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) crashed: %s; %s\n", f.Rank, f.PID, f.Crash, hint)
		return &alreadyShown{exitPeer}
	case f.OutOfMemory:
		of := "this machine"
		if limit := sysinfo.MemoryLimit(); limit > 0 {
			of = "the container, " + report.Bytes(limit)
		}
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) was killed by signal %d (%v): the memory of %s is used up; start fewer ranks, or take a smaller --global-batch\n",
			f.Rank, f.PID, int(f.Signal), f.Signal, of)
		return &alreadyShown{exitPeer}
	case f.Signal != 0:
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) was killed by signal %d (%v); the other ranks ended because of it\n", f.Rank, f.PID, int(f.Signal), f.Signal)
		return &alreadyShown{exitPeer}
	case f.Code < 0:
		return fmt.Errorf("rank %d: %w", f.Rank, f.Err)
	case f.Code == exitInterrupted:
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) was interrupted; the other ranks ended because of it\n", f.Rank, f.PID)
	default:
		fmt.Fprintf(log, "ringloom: rank %d (pid %d) failed with exit code %d; its log is marked \"rank %d |\" above\n", f.Rank, f.PID, f.Code, f.Rank)
	}
	return &alreadyShown{f.Code}
}
