package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/internal/sysinfo"
	"ringloom/launch"
	"ringloom/run"
)

const bindToHelp = "core (each process stays on cores of its own), none, or auto: core where the machine has them"

// launchFlags is the command line of a launch.
type launchFlags struct {
	n              int
	device, bindTo string
	threads        int

	elastic     run.ElasticConfig
	maxRestarts int
	leaveWithin time.Duration // of the ranks
}

func launchCommand() *cobra.Command {
	f := new(launchFlags)
	cmd := &cobra.Command{
		Use:   "launch -n N [flags] [-- train flags]",
		Short: "Start N training processes on this machine",
		Long: `Start N processes of 'ringloom train' on this machine, one rank each, and wait for them.

Results (the epoch lines and tables) go to standard output; each rank's log goes to standard error behind
its rank. Signals are forwarded. When one rank fails the others end too, and the first failure is the last
line printed; its exit code becomes the launcher's. Everything after -- goes to every 'ringloom train'.

With --elastic the others go on, and a process that died is started again and joins them; each has a slot,
behind whose number its log stands. SIGUSR1 adds a rank, SIGUSR2 has one leave, and 'ringloom scale N' goes to N.
SIGTERM has all leave and keeps the run's state; ctrl-C ends all at once.

With --device cuda, or auto where there are GPUs, each process takes one: with as many processes as GPUs every GPU is used, with
more they are shared in turn.

Each launch makes its own key, so that two launches on a machine never meet.`,
		Example: `  ringloom launch -n 2
  ringloom launch -n 4 --device cpu -- --model lenet --epochs 3 --global-batch 512
  ringloom launch -n 4 --elastic --min-ranks 2 -- --epochs 3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 0 && len(args) > 0 {
				return usageError{fmt.Errorf("%q is not understood: flags of train go behind --, as in 'ringloom launch -n %d -- --epochs 3'", args[0], f.n)}
			}
			if err := f.settle(cmd.Flags(), args); err != nil {
				return err
			}
			c, err := f.config(cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
			if err != nil {
				return err
			}
			if f.elastic.On {
				return f.runElastic(cmd.Context(), c)
			}
			_, err = startRanks(cmd.Context(), c)
			return err
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.n, "nproc", "n", 2, "number of processes")
	fl.StringVar(&f.device, "device", "auto", deviceHelp)
	fl.IntVar(&f.threads, "threads", 0, "compute threads of each process (0: the machine's cores shared out)")
	fl.StringVar(&f.bindTo, "bind-to", launch.BindAuto, bindToHelp)
	fl.BoolVar(&f.elastic.On, "elastic", false, "go on when a rank dies, and start its process again; ranks may be added and leave meanwhile")
	fl.IntVar(&f.elastic.MinRanks, "min-ranks", 0, "with --elastic: the fewest ranks with which to go on (0: one)")
	fl.IntVar(&f.elastic.MaxRanks, "max-ranks", 0, "with --elastic: the most ranks (0: as many as this machine can have)")
	e := launch.DefaultElastic()
	fl.IntVar(&f.maxRestarts, "max-restarts", e.MaxRestarts, fmt.Sprintf("with --elastic: start a slot's process again so often within %v", e.RestartWindow))
	return cmd
}

// sharedFlags are those that both launch and the flags of train behind -- may give.
var sharedFlags = []string{"threads", "device", "elastic", "min-ranks", "max-ranks"}

// settle checks the flags, launch's own and those that are for the ranks.
func (f *launchFlags) settle(own *pflag.FlagSet, args []string) error {
	if f.n < 1 {
		return usageError{fmt.Errorf("-n %d: at least one process is needed", f.n)}
	}
	if err := checkRanksHere("-n", f.n, true); err != nil {
		return usageError{err}
	}
	ranks := trainCommand().Flags()
	f.leaveWithin, _ = ranks.GetDuration("leave-within")
	if ranks.Parse(args) == nil { // else the ranks say what is wrong
		f.leaveWithin, _ = ranks.GetDuration("leave-within")
		if err := agreeWithRanks(own, ranks); err != nil {
			return usageError{err}
		}
	}
	member := run.DefaultMemberConfig()
	member.WorldSize = f.n
	switch err := f.elastic.Validate(member); {
	case err != nil:
		return usageError{err}
	case f.elastic.MinRanks > f.n:
		return usageError{fmt.Errorf("--min-ranks %d: start at least so many with -n", f.elastic.MinRanks)}
	case !f.elastic.On && own.Changed("max-restarts"):
		return usageError{errors.New("--max-restarts has no effect without --elastic: give that as well, or leave it out")}
	case f.maxRestarts < 0:
		return usageError{fmt.Errorf("--max-restarts %d: give a positive number, or 0 for none", f.maxRestarts)}
	case f.threads < 0:
		return usageError{fmt.Errorf("--threads %d: give a positive number, or 0 for the machine's cores shared out", f.threads)}
	case f.threads == 0:
		f.threads = max(1, sysinfo.Cores()/f.n)
	}
	return checkTasks(f.n, f.threads)
}

// agreeWithRanks settles the flags that both may give: where those of the ranks alone give one, it is launch's too, which shares out
// cores by it. Two different values are an error, for one of them would be ignored.
func agreeWithRanks(own, ranks *pflag.FlagSet) error {
	for _, name := range sharedFlags {
		theirs := ranks.Lookup(name)
		if !theirs.Changed {
			continue
		}
		value := own.Lookup(name).Value.String()
		if own.Changed(name) && value != theirs.Value.String() {
			return fmt.Errorf("--%s is %s, and %s behind --: give it once", name, value, theirs.Value)
		}
		if err := own.Set(name, theirs.Value.String()); err != nil {
			return err
		}
	}
	return nil
}

// config is the launch of 'ringloom train' with these arguments.
func (f *launchFlags) config(out, log io.Writer, args []string) (launch.Config, error) {
	own := []string{"train", "--device", f.device, "--threads", strconv.Itoa(f.threads)}
	if f.elastic.On {
		own = append(own, "--bind", ranksBind, "--elastic", "--min-ranks", strconv.Itoa(f.elastic.MinRanks), "--max-ranks", strconv.Itoa(f.elastic.MaxRanks))
	} else {
		own = rankArguments(f.n, own...)
	}
	cores, err := launch.Cores(f.bindTo, f.n, f.threads)
	if err != nil {
		return launch.Config{}, usageError{fmt.Errorf("--bind-to %w", err)}
	}
	c, err := launchConfig(f.n, out, log, append(own, args...))
	c.Cores = cores
	return c, err
}

// runElastic starts ranks that outlive each other, and lets who may change their number.
func (f *launchFlags) runElastic(ctx context.Context, c launch.Config) error {
	asks := make(chan launch.Resize)
	e := elasticLaunch(f.n, c.Stderr)
	e.MinRanks, e.MaxRanks, e.MaxRestarts = max(1, f.elastic.MinRanks), f.elastic.MaxRanks, f.maxRestarts
	e.Leave, e.Resize = leaving.arm(f.leaveWithin+c.EndAfterTerm, 0), asks
	c.Elastic = &e
	control := newControl(f.threads, asks, c.Stderr)
	defer control.close()
	_, err := startRanks(ctx, c)
	if errors.Is(err, launch.ErrLeft) {
		return &interrupted{syscall.SIGTERM}
	}
	return err
}
