package main

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringloom/cluster"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/report"
	"ringloom/train"
)

// trainFlags is the command line of one node.
type trainFlags struct {
	train.Config
	clusterFlags
	ringFlags
	autotune bool

	device  string
	threads int
	kernels string
	gpuFlags
	dataDir string
	offline bool
	init    string
	resume  string
	runDir  string
	trace   traceRequest

	resumed *resumption // nil without --resume
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
  ringloom train --expect 2 --bind 0.0.0.0:7946 --join first-machine:7946`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.resumeConfig(cmd.Flags()); err != nil {
				return err
			}
			if err := checkDependent(cmd.Flags(), f.Config); err != nil {
				return usageError{err}
			}
			if err := f.check(); err != nil {
				return usageError{err}
			}
			if err := f.trace.check(cmd.Flags(), f.Config); err != nil {
				return usageError{err}
			}
			return runNode(cmd.Context(), &f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	configFlags(fl, &f.Config)
	fl.StringVar(&f.init, "init", "", "start from the parameters of this checkpoint (.safetensors)")
	fl.StringVar(&f.resume, "resume", "", "go on with the run of this run directory or state (*.training.safetensors); other flags that are not given are the run's")

	fl.StringVar(&f.device, "device", "auto", deviceHelp)
	fl.IntVar(&f.threads, "threads", 0, "compute threads (0: all cores)")
	fl.StringVar(&f.kernels, "deterministic-kernels", "", kernelsHelp)
	f.gpuFlags.register(fl)
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package, else download)")
	fl.BoolVar(&f.offline, "offline", false, "never download the data set")
	fl.StringVar(&f.runDir, "run-dir", "", "folder for the run's record (default: runs/<time>-<model>-n<N>)")

	traceFlags(fl, &f.trace)

	fl.BoolVar(&f.autotune, "autotune", false, "before the first step, try which chunks, window, rings and buckets are fastest here, and take them on all ranks")
	f.ringFlags.register(fl)
	f.clusterFlags.register(fl)
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
	if f.resumed, err = openResumption(f.resume); err != nil {
		return err
	}
	if !f.resumed.here() {
		if f.expect == 1 {
			return dataError{fmt.Errorf("--resume %s: no such file: give a run directory that holds %s, or such a file", f.resumed.path, stateFile)}
		}
		return nil
	}
	if err := f.resumed.settle(&f.Config, given); err != nil {
		return usageError{err}
	}
	return nil
}

// check refuses what can be refused before anything is opened.
func (f *trainFlags) check() error {
	if err := f.clusterFlags.check(); err != nil {
		return err
	}
	if err := f.ringFlags.check(); err != nil {
		return err
	}
	if f.runDir != "" && f.resume == "" {
		if err := report.CheckRunDir(f.runDir); err != nil {
			return err
		}
	}
	switch {
	case f.autotune && f.expect == 1:
		return errors.New("--autotune has no effect with --expect 1: nothing travels; leave it out")
	case f.autotune && f.PowerSGD > 0:
		return errors.New("--autotune and --powersgd exclude each other: it would try whole gradients where factors travel; tune without, and give the flags that it names")
	}
	spec, err := models.Lookup(f.Model)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	info, err := nn.Inspect(spec.InputSide, spec.Build)
	if err != nil {
		return err
	}
	if f.SyncBatchNorm && len(info.State) == 0 {
		return fmt.Errorf("--sync-bn has no effect: %s has no batch norm; leave it out", f.Model)
	}
	if err := f.Config.Validate(f.expect); err != nil {
		return err
	}
	if err := f.Config.ValidateModel(info.Params); err != nil {
		return err
	}
	if err := checkKernels(f.kernels); err != nil {
		return err
	}
	if err := f.gpuFlags.check(f.device); err != nil {
		return err
	}
	if f.threads < 0 {
		return fmt.Errorf("--threads %d: give a positive number, or 0 for all cores", f.threads)
	}
	if f.threads == 0 {
		f.threads = runtime.NumCPU()
	}
	return nil
}

// digest is what all nodes must agree on; the cluster shows the difference to a node that does not.
func (f *trainFlags) digest(dataHash, initHash string) cluster.Digest {
	d := cluster.Digest{
		{Name: "version", Value: version},
		{Name: "initial parameters", Value: initHash},
		{Name: "data", Value: dataHash},
		{Name: "autotune", Value: fmt.Sprint(f.autotune)},
		{Name: "NATS", Value: natsKind(f.natsURL)},
	}
	d = append(d, f.ringFlags.digest()...)
	return append(d, configDigest(f.Config)...)
}
