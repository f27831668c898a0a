package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/bench/elastic"
	"ringloom/bench/emulate"
	"ringloom/bench/scaling/measure"
	"ringloom/models"
)

// benchElasticFlags is the command line of `ringloom bench elastic`.
type benchElasticFlags struct {
	elastic.Config
	ranks   []int
	emulate string
	cost    int
	steps   int
	json    bool
	deviceFlags
}

func benchElasticCommand() *cobra.Command {
	var f benchElasticFlags
	cmd := &cobra.Command{
		Use:   "elastic [--ranks 4] [flags]",
		Short: "Measure what deaths, freezes, leaves and joins cost an elastic job",
		Long: `Start the ranks of an elastic job as processes on this machine, and kill (kill -9), stop (SIGSTOP, and SIGCONT once the
others have gone on) and tell to leave (SIGTERM) one at a time, at random phases of a step, the leader included. Each
one that goes is followed by another that joins.

Shown is for each of these how long the others were held up beyond what a step takes, and where that time went: from the
signal until the last of them knew (known), had agreed on the next view (agreed), had its ring (ring), stood where the
others do (place), had committed a step (commit). Of joins it is counted from the last step on; "start to first step" is
of the process that joins, or from SIGCONT. All that ranks say to have trained is held against each epoch: every position
of every step once.

With --emulate-step a wait takes the place of the network's arithmetic: forward and backward of a rank's part of a step.
--cost R measures instead what elasticity costs where nothing fails: R rounds of runs with and without it, in turn.

With --json, one object a line, each with its kind: incident, row, job and cost (docs/bench.md has their fields).`,
		Example: `  ringloom bench elastic
  ringloom bench elastic --ranks 2,4,8 --emulate-step 20ms
  ringloom bench elastic --cost 5 --steps 500`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return f.measure(cmd)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntSliceVar(&f.ranks, "ranks", []int{4}, "numbers of ranks to measure")
	fl.StringVar(&f.Rank.Model, "model", "lenet", "network to train (see 'ringloom models')")
	fl.IntVar(&f.Rank.GlobalBatch, "global-batch", 0, "images of a step over all ranks (0: the model's usual number; emulated 64)")
	fl.StringVar(&f.emulate, "emulate-step", "", "wait so long in place of forward and backward of a rank's part of a step, such as 20ms or 20ms:googlenet")
	fl.IntVar(&f.Kills, "kills", 20, "ranks to kill")
	fl.IntVar(&f.Stops, "stops", 3, "ranks to stop for as long as the others need to go on")
	fl.IntVar(&f.Leaves, "leaves", 5, "ranks to tell to leave")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of what happens when to whom")
	fl.IntVar(&f.cost, "cost", 0, "measure so many rounds with and without --elastic, without faults")
	fl.IntVar(&f.steps, "steps", 300, "with --cost: steps of a run")
	f.deviceFlags.register(fl, 1, "compute threads of each rank (0: the machine's cores)")
	fl.StringVar(&f.Rank.Data, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package)")
	fl.BoolVar(&f.json, "json", false, "print one JSON object a line")
	cmd.AddCommand(benchElasticRankCommand())
	return cmd
}

func (f *benchElasticFlags) check(fl *pflag.FlagSet) error {
	if f.emulate != "" {
		s, err := emulate.Parse(f.emulate)
		if err != nil {
			return err
		}
		for _, name := range []string{"device", "precision", "device-memory", "threads", "deterministic-kernels", "data"} {
			if fl.Changed(name) {
				return fmt.Errorf("--%s has no effect with --emulate-step, which computes nothing: leave it out", name)
			}
		}
		if s.Model != "" && fl.Changed("model") && s.Model != f.Rank.Model {
			return fmt.Errorf("--emulate-step %s and --model %s name two networks: give one", f.emulate, f.Rank.Model)
		}
		if s.Model != "" {
			f.Rank.Model = s.Model
		}
		f.Rank.Emulate = s.Step
	}
	for _, name := range []string{"precision", "device-memory", "deterministic-kernels"} {
		if fl.Changed(name) {
			return fmt.Errorf("--%s is not measured here: leave it out", name)
		}
	}
	if _, err := models.Lookup(f.Rank.Model); err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	if f.Rank.GlobalBatch == 0 {
		f.Rank.GlobalBatch = measure.DefaultBatch(f.Rank.Model)
		if f.Rank.Emulate > 0 {
			f.Rank.GlobalBatch = 64
		}
	}
	if err := f.deviceFlags.check(); err != nil {
		return err
	}
	f.Rank.Device, f.Rank.Threads, f.Rank.Seed, f.Rank.Elastic = f.device, f.threads, 1, true
	if err := f.checkCost(fl); err != nil {
		return err
	}
	for i, n := range f.ranks {
		c := f.Config
		c.Ranks = n
		if slices.Contains(f.ranks[:i], n) {
			return fmt.Errorf("--ranks %v: give each number once", f.ranks)
		}
		if err := errors.Join(c.Validate(), checkRanksHere("--ranks", n, true)); err != nil {
			return err
		}
	}
	return nil
}

// checkCost refuses flags of the one measurement with the other.
func (f *benchElasticFlags) checkCost(fl *pflag.FlagSet) error {
	switch {
	case f.cost < 0 || f.cost > 1000:
		return fmt.Errorf("--cost %d: give a number of rounds up to 1000", f.cost)
	case f.cost == 0 && fl.Changed("steps"):
		return errors.New("--steps has no effect without --cost: give that as well, or leave it out")
	case f.cost > 0 && f.steps < 50:
		return fmt.Errorf("--steps %d: give at least 50, of which the first 25 do not count", f.steps)
	}
	for _, name := range []string{"kills", "stops", "leaves", "seed"} {
		if f.cost > 0 && fl.Changed(name) {
			return fmt.Errorf("--%s has no effect with --cost, without faults: leave one of them out", name)
		}
	}
	return nil
}

// measure measures each number of ranks. What was measured is shown also where something has gone wrong.
func (f *benchElasticFlags) measure(cmd *cobra.Command) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program to start it again: %w", err)
	}
	dir, err := os.MkdirTemp("", "ringloom-elastic-")
	if err != nil {
		return err
	}
	f.Command, f.Env = []string{executable, "bench", "elastic", "rank"}, append(os.Environ(), launchSecrets(nil)...)
	f.Say = progressLines(cmd.ErrOrStderr())
	f.Samples = elasticSamples(f.Rank.Emulate > 0, f.Rank.GlobalBatch)
	for _, n := range f.ranks {
		c := f.Config
		c.Ranks, c.Dir = n, fmt.Sprintf("%s/%d", dir, n)
		c.Rank.Share = max(1, c.Rank.GlobalBatch/n)
		if err := os.Mkdir(c.Dir, 0o700); err != nil {
			return err
		}
		if err := f.one(cmd, c); err != nil {
			if cmd.Context().Err() == nil {
				return fmt.Errorf("%w; the ranks' logs are in %s", err, c.Dir)
			}
			return errors.Join(err, os.RemoveAll(dir))
		}
	}
	return os.RemoveAll(dir)
}

// one measures a number of ranks.
func (f *benchElasticFlags) one(cmd *cobra.Command, c elastic.Config) error {
	out := cmd.OutOrStdout()
	if f.cost > 0 {
		cost, err := elastic.MeasureCost(cmd.Context(), c, f.cost, f.steps)
		if err != nil {
			return err
		}
		if f.json {
			return cost.WriteJSON(out)
		}
		return cost.WriteText(out)
	}
	result, failed := elastic.Run(cmd.Context(), c)
	write := elastic.WriteText
	if f.json {
		write = elastic.WriteJSON
	}
	return errors.Join(failed, write(out, result))
}
