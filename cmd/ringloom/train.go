package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"ringloom/data"
	"ringloom/run"
	"ringloom/train"
)

// trainFlags is the command line of one node.
type trainFlags struct {
	train.Config
	clusterFlags
	ringFlags
	deviceFlags
	autotune bool

	dataDir string
	offline bool
	init    string
	resume  string
	runDir  string
	trace   run.TraceConfig
	grace   time.Duration

	resumed *run.Resumption // nil without --resume
	travels []string        // of travelFlags those that were given
}

func trainCommand() *cobra.Command {
	f := trainFlags{Config: train.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "train --expect N [flags]",
		Short: "Train as one node of a cluster of N",
		Long: `Train as one node of a cluster. Training begins when N nodes have found each other; each is one rank.

The first node needs no --join; every other joins any node that runs already. All nodes must be given the
same model, seed, batch and so on: a node that differs is refused, with the difference shown. Results go to
standard output of the leader (rank 0, the oldest node), logs to standard error.

` + secretsHelp,
		Example: `  # two terminals of one machine
  ringloom train --expect 2
  ringloom train --expect 2 --join 127.0.0.1:7946

  # two machines
  ringloom train --expect 2 --bind 0.0.0.0:7946
  ringloom train --expect 2 --bind 0.0.0.0:7946 --join first-machine:7946

  # a job that outlives its ranks, and a rank that joins it while it runs
  ringloom train --expect 2 --elastic
  ringloom train --expect 2 --elastic --join 127.0.0.1:7946
  ringloom train --elastic --join 127.0.0.1:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.resumeConfig(cmd.Flags()); err != nil {
				return err
			}
			if err := checkDependent(cmd.Flags(), f.Config); err != nil {
				return usageError{err}
			}
			if f.trace.File == "" && cmd.Flags().Changed("trace-steps") {
				return usageError{errors.New("--trace-steps has no effect without --trace: give that as well, or leave it out")}
			}
			cmd.Flags().Visit(func(fl *pflag.Flag) {
				if slices.Contains(travelFlags, fl.Name) {
					f.travels = append(f.travels, "--"+fl.Name)
				}
			})
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	configFlags(fl, &f.Config)
	fl.StringVar(&f.init, "init", "", "start from the parameters of this checkpoint (.safetensors)")
	fl.StringVar(&f.resume, "resume", "", "go on with the run of this run directory or state (*.training.safetensors); other flags that are not given are the run's")

	f.deviceFlags.register(fl, 0, "compute threads (0: all cores)")
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package, else download)")
	fl.BoolVar(&f.offline, "offline", false, "never download the data set")
	fl.StringVar(&f.runDir, "run-dir", "", "folder for the run's record (default: runs/<time>-<model>-n<N>)")

	fl.StringVar(&f.trace.File, "trace", "", "write a timeline of all ranks to this file, for ui.perfetto.dev or chrome://tracing; on one node or on all")
	fl.IntVar(&f.trace.Steps, "trace-steps", run.DefaultTraceConfig().Steps, "with --trace: keep the last so many steps")

	fl.BoolVar(&f.autotune, "autotune", false, "before the first step, try which chunks, window, rings and buckets are fastest here, and take them on all ranks")
	f.ringFlags.register(fl)
	f.clusterFlags.register(fl)
	f.clusterFlags.registerElastic(fl)
	fl.DurationVar(&f.grace, "leave-within", 20*time.Second, "with --elastic: after SIGTERM, end at once where no step has ended within so long; a second SIGTERM does so too")
	return cmd
}

// resumeConfig reads what --resume names, and takes the run's settings where the command line gives none.
func (f *trainFlags) resumeConfig(given *pflag.FlagSet) (err error) {
	switch {
	case f.resume == "":
		return nil
	case f.init != "":
		return usageError{errors.New("--init and --resume exclude each other: a run goes on with its own parameters")}
	}
	if f.resumed, err = run.OpenResumption(f.resume); err != nil || !f.resumed.Here() {
		return err
	}
	if f.Config, err = settle(f.resumed.Config(), given); err != nil {
		return usageError{err}
	}
	return nil
}

// settle takes every setting from the run that the command line does not give. --max-steps ends a command, not the run,
// and is not taken.
func settle(was train.Config, given *pflag.FlagSet) (train.Config, error) {
	merged := was
	merged.MaxSteps = 0
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	configFlags(flags, &merged)
	var err error
	given.Visit(func(f *pflag.Flag) {
		if flags.Lookup(f.Name) != nil {
			err = errors.Join(err, flags.Set(f.Name, f.Value.String()))
		}
	})
	return merged, err
}

// run trains, and shows what the run says.
func (f *trainFlags) run(ctx context.Context, out io.Writer) error {
	if err := f.clusterFlags.check(); err != nil {
		return usageError{err}
	}
	if f.grace <= 0 {
		return usageError{fmt.Errorf("--leave-within %v: give a positive time, such as 20s", f.grace)}
	}
	log := f.newEventLog()
	member := f.member(log.Logger)
	var leave <-chan struct{}
	if f.elastic.On {
		leave = leaving.arm(f.grace)
	}
	f.warnAlone(log)
	terminal := &eventTerminal{out: out, log: log.out, draw: log.human}
	_, err := run.Node(ctx, run.Config{
		Train: f.Config, Member: member, Ring: f.ringFlags.config(f.ringDeadline), Autotune: f.autotune, Device: f.deviceFlags.config(),
		Data: data.Options{Dir: f.dataDir, Offline: f.offline}, Init: f.init, Resume: f.resumed, RunDir: f.runDir, Trace: f.trace, Version: version, Leave: leave,
	}, func(e run.Event) {
		terminal.take(e)
		log.take(e)
	})
	return err
}

// travelFlags say how gradients and updates travel: one rank alone sends none.
var travelFlags = []string{
	"nats", "nats-bind", "nats-token-file", "wire", "shard-optimizer",
	"chunk-bytes", "window-bytes", "rings", "shared-memory", "ring-deadline",
}

// warnAlone tells of flags that have no effect with one rank. They are no error: whoever compares one rank with many gives all the same.
func (f *trainFlags) warnAlone(log *eventLog) {
	if f.expect == 1 && len(f.travels) > 0 {
		log.Warn("with --expect 1 nothing travels: these flags have no effect", zap.Strings("flags", f.travels))
	}
}
