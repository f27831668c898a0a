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
	return append(command, "--expect", strconv.Itoa(n), "--bind", ranksBind)
}

// ranksBind is where ranks of this machine gossip.
const ranksBind = "127.0.0.1:0"

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

// elasticLaunch is how n ranks outlive each other, with what happens to their slots in lines of the log.
func elasticLaunch(n int, log io.Writer) launch.Elastic {
	e := launch.DefaultElastic()
	e.Founders = []string{"--expect", strconv.Itoa(n)}
	e.Restartable = func(x launch.Exit) bool { return x.Code == exitFailed || x.Formed && x.Code == exitCluster }
	e.Departed = func(code int) bool { return code == exitDeparted || code == exitInterrupted }
	e.OnEvent = func(event any) {
		switch what := event.(type) {
		case launch.Restarting:
			fmt.Fprintf(log, "ringloom: %s; it starts again in %v (%d of %d)\n", howItEnded(what.Exit), what.In, what.Number, what.Of)
		case launch.GivenUp:
			why := ""
			if what.Restarts > 0 {
				why = fmt.Sprintf(": it was %s already within %v (--max-restarts)", times(what.Restarts), e.RestartWindow)
			}
			fmt.Fprintf(log, "ringloom: %s; it is not started again%s\n", howItEnded(what.Exit), why)
		case launch.Late:
			fmt.Fprintf(log, "ringloom: %s did not end within %v of the run's end; ending them\n", plural(what.Ranks, "rank"), what.After)
		}
	}
	return e
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// howItEnded says in words how a rank's process did.
func howItEnded(e launch.Exit) string {
	switch {
	case e.Hung:
		return e.Who() + " hung, ended by launch"
	case e.Crash != "":
		hint := "this is a fault of ringloom's: please report what stands above"
		if strings.Contains(e.Crash, "new OS thread") || strings.Contains(e.Crash, "pthread_create") {
			hint = "the system gives it no more threads: raise the limit (pids.max of the container, ulimit -u), or start fewer ranks"
		}
		return fmt.Sprintf("%s crashed: %s; %s", e.Who(), e.Crash, hint)
	case e.OutOfMemory:
		of := "this machine"
		if limit := sysinfo.MemoryLimit(); limit > 0 {
			of = "the container, " + report.Bytes(limit)
		}
		return fmt.Sprintf("%s was killed by signal %d (%v): the memory of %s is used up; start fewer ranks, or take a smaller --global-batch",
			e.Who(), int(e.Signal), e.Signal, of)
	case e.Signal != 0:
		return fmt.Sprintf("%s was killed by signal %d (%v)", e.Who(), int(e.Signal), e.Signal)
	case e.Code < 0:
		return fmt.Sprintf("%s: %v", e.Who(), e.Err)
	case e.Code == exitInterrupted:
		return e.Who() + " was interrupted"
	}
	place, _, _ := strings.Cut(e.Who(), " (")
	return fmt.Sprintf("%s failed with exit code %d; its log is marked %q above", e.Who(), e.Code, place+" |")
}

// showFailure prints how a launch failed, and is an error with the exit code for that.
func showFailure(f *launch.Failure, log io.Writer) error {
	code, others := f.Code, ""
	switch {
	case f.Code == exitDeparted:
		fmt.Fprintln(log, "ringloom: no rank is left: the last one has left as it was asked to; go on with --resume")
		return &alreadyShown{code}
	case f.Hung, f.Crash != "", f.Signal != 0:
		code = exitPeer
	case f.Code < 0:
		return fmt.Errorf("%s: %w", f.Who(), f.Err)
	}
	if f.Hung || f.Signal != 0 && f.Crash == "" && !f.OutOfMemory || f.Code == exitInterrupted {
		others = "; the other ranks ended because of it"
		if f.Slot {
			others = "; no rank is left"
		}
	}
	fmt.Fprintf(log, "ringloom: %s%s\n", howItEnded(f.Exit), others)
	return &alreadyShown{code}
}
