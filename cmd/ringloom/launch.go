package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/internal/sysinfo"
	"ringloom/launch"
)

const bindToHelp = "core (each process stays on cores of its own), none, or auto: core where the machine has them"

func launchCommand() *cobra.Command {
	var n int
	var device, bindTo string
	var threads int
	cmd := &cobra.Command{
		Use:   "launch -n N [flags] [-- train flags]",
		Short: "Start N training processes on this machine",
		Long: `Start N processes of 'ringloom train' on this machine, one rank each, and wait for them.

Results (the epoch lines and tables) go to standard output; each rank's log goes to standard error behind
its rank. Signals are forwarded. When one rank fails the others end too, and the first failure is the last
line printed; its exit code becomes the launcher's. Everything after -- goes to every 'ringloom train'.

With --device cuda, or auto where there are GPUs, each process takes one: with as many processes as GPUs every GPU is used, with
more they are shared in turn.

Each launch makes its own key, so that two launches on a machine never meet.`,
		Example: `  ringloom launch -n 2
  ringloom launch -n 4 --device cpu -- --model lenet --epochs 3 --global-batch 512`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 {
				return usageError{fmt.Errorf("-n %d: at least one process is needed", n)}
			}
			if cmd.ArgsLenAtDash() != 0 && len(args) > 0 {
				return usageError{fmt.Errorf("%q is not understood: flags of train go behind --, as in 'ringloom launch -n %d -- --epochs 3'", args[0], n)}
			}
			if err := checkRanksHere("-n", n, true); err != nil {
				return usageError{err}
			}
			if err := agreeWithRanks(cmd.Flags(), args); err != nil {
				return usageError{err}
			}
			if threads < 0 {
				return usageError{fmt.Errorf("--threads %d: give a positive number, or 0 for the machine's cores shared out", threads)}
			}
			if threads == 0 {
				threads = max(1, sysinfo.Cores()/n)
			}
			if err := checkTasks(n, threads); err != nil {
				return err
			}
			cores, err := launch.Cores(bindTo, n, threads)
			if err != nil {
				return usageError{fmt.Errorf("--bind-to %w", err)}
			}
			c, err := launchConfig(n, cmd.OutOrStdout(), cmd.ErrOrStderr(),
				append(rankArguments(n, "train", "--device", device, "--threads", strconv.Itoa(threads)), args...))
			if err != nil {
				return err
			}
			c.Cores = cores
			_, err = startRanks(cmd.Context(), c)
			return err
		},
	}
	cmd.Flags().IntVarP(&n, "nproc", "n", 2, "number of processes")
	cmd.Flags().StringVar(&device, "device", "auto", deviceHelp)
	cmd.Flags().IntVar(&threads, "threads", 0, "compute threads of each process (0: the machine's cores shared out)")
	cmd.Flags().StringVar(&bindTo, "bind-to", launch.BindAuto, bindToHelp)
	return cmd
}

// agreeWithRanks settles the flags that both launch and the flags of train behind -- may give: where those alone give one, it is launch's
// too, which shares out cores by it. Two different values are an error, for one of them would be ignored.
func agreeWithRanks(own *pflag.FlagSet, args []string) error {
	ranks := trainCommand().Flags()
	if ranks.Parse(args) != nil {
		return nil // the ranks say what is wrong
	}
	for _, name := range []string{"threads", "device"} {
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
