package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/bench/emulate"
	"ringloom/bench/scaling/measure"
	"ringloom/internal/sysinfo"
	"ringloom/launch"
	"ringloom/models"
)

// benchScalingFlags is the command line of `ringloom bench scaling`.
type benchScalingFlags struct {
	measure.Config
	clusterFlags
	ringFlags

	ranks              []int
	rounds             int
	model, mode        string
	batch, globalBatch int
	emulate            string
	bindTo             string
	deviceFlags
	dataDir string
	sizes   []string
	json    bool
	html    string

	batches   measure.Batches // after check
	emulation emulate.Setting // after check; its Step is 0 where nothing is emulated
}

// The values of --mode.
const (
	modeWeak   = "weak"
	modeStrong = "strong"
	modeBoth   = "both"
)

func benchScalingCommand() *cobra.Command {
	f := benchScalingFlags{Config: measure.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "scaling [--ranks 1,2,4 | --expect N --join ...] [flags]",
		Short: "Measure how training scales with the number of ranks, and say what limits it",
		Long: `Train with 1, 2, 4, ... processes on this machine, in turn and in several rounds, and say how speed grows with their
number, where each step of each rank goes, what limits, and what more ranks would bring.

With --mode weak a rank keeps its batch, with strong the ranks share one, with both (the default) both are measured. Each number
of ranks runs in processes of its own: warm-up steps, then as many as fit into --duration, then the ring alone. The
point is that of the round with the best median step. Images are Fashion-MNIST where it is found without a download,
else random pixels.

With --emulate-step a wait takes the place of the network's arithmetic, shared out over its layers, so that the
communication of more ranks than there are cores can be measured; the time is that of forward and backward of --batch
images.

Across a cluster, run it with --expect N on every node, as 'ringloom train': that measures N ranks, in --rounds rounds, and
rank 0 prints.

With --json, one object a line, each with its kind: study, point, rank, collective, model, prediction and bottleneck (docs/scaling.md
has their fields), and at last one for each point of each round:
  kind "round", round (from 1), ranks, global_batch, steps (measured), step_seconds (median of the slowest
  rank's), images_per_second
--html writes everything as one page with plots, which needs no other file.

` + secretsHelp,
		Example: `  ringloom bench scaling
  ringloom bench scaling --model googlenet --ranks 1,2 --mode weak --html scaling.html
  ringloom bench scaling --emulate-step 100ms:googlenet --ranks 1,2,4,8

  # two machines
  ringloom bench scaling --expect 2 --bind 0.0.0.0:7946
  ringloom bench scaling --expect 2 --bind 0.0.0.0:7946 --join first-machine:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			launch, err := launches(cmd.Flags())
			if err == nil {
				err = f.check(launch, cmd.Flags())
			}
			if err != nil {
				return usageError{err}
			}
			if launch {
				return f.launch(cmd)
			}
			return f.rank(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntSliceVar(&f.ranks, "ranks", nil, "numbers of ranks to measure (default 1, 2, 4, ... up to the cores)")
	fl.StringVar(&f.mode, "mode", modeBoth, "weak (a rank keeps its batch), strong (all share one) or both")
	fl.StringVar(&f.model, "model", "lenet", "network to train (see 'ringloom models')")
	fl.IntVar(&f.batch, "batch", 0, "images of a rank's step in weak scaling (0: the model's usual number)")
	fl.IntVar(&f.globalBatch, "global-batch", 0, "images of a step over all ranks in strong scaling (0: those of --batch)")
	fl.StringVar(&f.emulate, "emulate-step", "", "wait so long in place of forward and backward of --batch images, such as 100ms or 100ms:googlenet")
	fl.IntVar(&f.WarmUp, "warmup", f.WarmUp, "steps before those that count")
	fl.IntVar(&f.Steps, "steps", f.Steps, "steps to measure (0: as many as --duration allows, at least 3)")
	fl.DurationVar(&f.Duration, "duration", f.Duration, "time to measure each point for, unless --steps is given")
	fl.IntVar(&f.rounds, "rounds", 3, "times that everything is measured; the best counts")
	fl.StringVar(&f.bindTo, "bind-to", launch.BindAuto, "with ranks on this machine: "+bindToHelp)
	f.deviceFlags.register(fl, 1, "compute threads of each rank (0: the machine's cores)")
	settingFlag(fl, setting("BucketBytes"), &f.BucketBytes)
	fl.Uint64Var(&f.Seed, "seed", f.Seed, "seed of the initial parameters, the order of the samples and dropout")
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package)")
	for _, bytes := range f.Collectives {
		f.sizes = append(f.sizes, byteSize(bytes).String())
	}
	fl.StringSliceVar(&f.sizes, "sizes", f.sizes, "sizes of the all-reduces that are timed alone, for the ring's model")
	f.ringFlags.register(fl)
	f.ringFlags.registerWire(fl)
	fl.BoolVar(&f.json, "json", false, "print one JSON object a line")
	fl.StringVar(&f.html, "html", "", "write the report to this file as one HTML page")
	f.clusterFlags.register(fl)
	fl.Lookup("expect").Usage = expectOptional
	return cmd
}

// defaultRanks are powers of two up to the cores, and two at the least: one alone tells nothing.
func defaultRanks() []int {
	ranks := []int{1, 2}
	for n := 4; n <= sysinfo.Cores(); n *= 2 {
		ranks = append(ranks, n)
	}
	return ranks
}

func (f *benchScalingFlags) check(launch bool, fl *pflag.FlagSet) error {
	if launch && len(f.ranks) == 0 {
		f.ranks = defaultRanks()
	}
	if !launch {
		if fl.Changed("ranks") {
			return errors.New("--ranks has no effect with --expect: a cluster of N nodes measures N ranks")
		}
		if err := f.clusterFlags.check(); err != nil {
			return err
		}
		f.ranks = []int{f.expect}
	}
	for i, n := range f.ranks {
		if n < 1 || slices.Contains(f.ranks[:i], n) {
			return fmt.Errorf("--ranks %v: give numbers of ranks, each once and at least 1", f.ranks)
		}
		if launch {
			if err := checkRanksHere("--ranks", n, true); err != nil {
				return err
			}
		}
	}
	if err := f.checkModel(fl); err != nil {
		return err
	}
	if err := f.checkBatches(fl); err != nil {
		return err
	}
	f.Collectives = nil
	for _, text := range f.sizes {
		var bytes byteSize
		if err := bytes.Set(text); err != nil {
			return fmt.Errorf("--sizes: %w", err)
		}
		f.Collectives = append(f.Collectives, int64(bytes))
	}
	if f.rounds < 1 || f.rounds > 1000 {
		return fmt.Errorf("--rounds %d: give a number from 1 to 1000", f.rounds)
	}
	if f.html != "" {
		if err := checkOutput("html", f.html); err != nil {
			return err
		}
	}
	if err := f.ringFlags.check(f.ringDeadline); err != nil {
		return err
	}
	f.Wire = f.wire
	for _, n := range f.ranks {
		c := f.Config
		c.GlobalBatches = f.batches.Global(n)
		if err := c.Validate(n); err != nil {
			return err
		}
	}
	return nil
}

// checkModel settles what is trained, and on what.
func (f *benchScalingFlags) checkModel(fl *pflag.FlagSet) (err error) {
	if f.emulate != "" {
		if f.emulation, err = emulate.Parse(f.emulate); err != nil {
			return err
		}
		for _, name := range []string{"device", "precision", "device-memory", "threads", "deterministic-kernels", "data"} {
			if fl.Changed(name) {
				return fmt.Errorf("--%s has no effect with --emulate-step, which computes nothing: leave it out", name)
			}
		}
		if m := f.emulation.Model; m != "" {
			if fl.Changed("model") && f.model != m {
				return fmt.Errorf("--emulate-step %s and --model %s name two networks: give one", f.emulate, f.model)
			}
			f.model = m
		}
	}
	if f.Model, err = models.Lookup(f.model); err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	return f.deviceFlags.check()
}

// checkBatches settles the batches of the modes.
func (f *benchScalingFlags) checkBatches(fl *pflag.FlagSet) error {
	switch {
	case f.mode != modeWeak && f.mode != modeStrong && f.mode != modeBoth:
		return fmt.Errorf("--mode %q: choose one of weak, strong, both", f.mode)
	case f.batch < 0:
		return fmt.Errorf("--batch %d: give a positive number, or 0 for the model's usual one", f.batch)
	case f.globalBatch < 0:
		return fmt.Errorf("--global-batch %d: give a positive number, or 0 for that of --batch", f.globalBatch)
	case f.mode == modeWeak && fl.Changed("global-batch"):
		return errors.New("--global-batch has no effect with --mode weak: leave it out, or give --batch")
	}
	if f.batch == 0 {
		f.batch = measure.DefaultBatch(f.model)
	}
	if f.globalBatch == 0 {
		f.globalBatch = f.batch
	}
	if f.mode != modeStrong {
		f.batches.Weak = f.batch
	}
	if f.mode != modeWeak {
		f.batches.Strong = f.globalBatch
	}
	return nil
}

// estimate is how long everything may take, starting processes apart.
func (f *benchScalingFlags) estimate() time.Duration {
	if f.Steps > 0 {
		return 0
	}
	points := 0
	for _, n := range f.ranks {
		points += len(f.batches.Global(n))
	}
	return time.Duration(f.rounds*points) * f.Duration
}
