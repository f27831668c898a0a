// Command ringloom trains convolutional networks on Fashion-MNIST with synchronous data parallelism.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/internal/printable"
	"ringloom/launch"
)

func main() {
	leaveNoCore()
	// The first signal asks for an orderly end, which must come soon; a second one ends the process at once.
	ctx, cancel := context.WithCancelCause(context.Background())
	standardOutput.ctx, standardError.ctx = ctx, ctx
	standardOutput.bePatient(true)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := leaving.first(signals)
		cancel(&interrupted{s})
		select {
		case <-signals:
		case <-time.After(time.Duration(orderlyEnd.Load())):
			// Whatever it is that does not look at its context, nobody waits for it.
			fmt.Fprintf(standardError, "ringloom: still at work %v after signal %q: ending at once\n", time.Duration(orderlyEnd.Load()), s)
		}
		os.Exit(exitInterrupted)
	}()

	var err error
	if launched, err = launch.FromEnv(os.Getenv); err != nil {
		err = usageError{err}
	} else if err = checkTasks(0, goTasks); err == nil {
		if launched.LocalRank >= 0 {
			signal.Ignore(syscall.SIGPIPE) // who has lost its launcher still has a state to keep, though nobody reads its log
		}
		root := rootCommand()
		root.SetOut(printable.Writer(standardOutput)) // what peers say of themselves is in it
		root.SetErr(standardError)
		err = root.ExecuteContext(ctx)
	}
	if flushed := standardOutput.flush(); err == nil && flushed != nil {
		err = flushed
		if !errors.As(err, new(*interrupted)) {
			err = fmt.Errorf("writing the results: %w", flushed)
		}
	}
	var shown *alreadyShown
	if err != nil && !errors.As(err, &shown) {
		fmt.Fprintf(standardError, "ringloom: %s\n", explain(err))
	}
	_ = standardError.flush() // there is nobody left to tell
	if err != nil {
		os.Exit(exitCode(err))
	}
}

// orderlyEnd is how long this process has to end by itself after a signal: a time.Duration.
var orderlyEnd atomic.Int64

func init() { orderlyEnd.Store(int64(5 * time.Second)) }

// leaveNoCore has a crash end the process by SIGABRT: Go's own exit code for one, 2, means a mistake in the command line here. What the
// process had in memory is not kept, unless $GOTRACEBACK asks for that.
func leaveNoCore() {
	if os.Getenv("GOTRACEBACK") != "" {
		return
	}
	debug.SetTraceback("crash")
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ringloom",
		Short: "Distributed data-parallel training of convolutional networks on Fashion-MNIST",
		Long: `ringloom trains convolutional networks on Fashion-MNIST with synchronous data parallelism.

Nodes find each other by gossip, each trains its shard of every batch on its own device, and a ring
all-reduce over NATS sums the gradients. Start here:

  ringloom launch -n 2                 train LeNet with two processes on this machine
  ringloom launch -n 4 -- --epochs 3   four processes, three epochs
  ringloom train --help                one node of a cluster
  ringloom bench step --model all      how fast this machine trains, and where the time goes
  ringloom data                        where the data set is, and whether it is whole

Exit codes:
` + exitCodeHelp(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return noEmptyValues(cmd.Flags()) },
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())}
	})
	root.AddCommand(trainCommand(), launchCommand(), leaveCommand(), scaleCommand(), evaluateCommand(), exportCommand(), modelsCommand(), devicesCommand(), benchCommand(), dataCommand(), versionCommand())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = helpTopic // cobra's own prints the usage of all and ends with 0
	}
	return root
}

// helpTopic refuses help about a command that is not there.
func helpTopic(cmd *cobra.Command, args []string) error {
	topic, rest, err := cmd.Root().Find(args)
	if err != nil {
		return err
	}
	return noCommand(topic, rest)
}

// noCommand refuses words behind a command that has commands of its own.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q (see '%s --help')", args[0], cmd.CommandPath(), cmd.CommandPath())}
	}
	return nil
}

// noEmptyValues refuses flags whose value is empty: mostly a variable of the shell that is not set, which would silently
// leave a key, an address or a folder out. No flag means anything by it.
func noEmptyValues(fl *pflag.FlagSet) (err error) {
	fl.Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0 || slices.ContainsFunc(list.GetSlice(), func(s string) bool { return strings.TrimSpace(s) == "" })
		} else if f.Value.Type() == "string" {
			empty = strings.TrimSpace(f.Value.String()) == ""
		}
		if empty && err == nil {
			err = usageError{fmt.Errorf("--%s has an empty value, as of a shell variable that is not set: give one, or leave the flag out", f.Name)}
		}
	})
	return err
}

// noArguments refuses stray words with an error that says where flags go.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is not understood: %s takes flags only (see '%s --help')", args[0], cmd.Name(), cmd.CommandPath())}
	}
	return nil
}
