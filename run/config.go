package run

import (
	"path/filepath"

	"ringloom/data"
	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/report"
	"ringloom/train"
)

// Config is one node's whole job.
type Config struct {
	// Train is what is trained, and how. All of it must agree on all nodes.
	Train train.Config
	// Member says who this node is in the cluster. Its WorldSize is required.
	Member MemberConfig
	// Ring says how gradients travel.
	Ring RingConfig
	// Autotune finds the fastest Ring and Train.BucketBytes before the first step, and takes them on all ranks. Default false: it
	// costs some seconds, and the choice, which decides the last bits, may differ from run to run.
	Autotune bool
	// Device says on what this node computes.
	Device DeviceConfig
	// Open opens the device in place of OpenDevice, on the thread that will use it; Node closes it. It is for devices of which this package
	// knows nothing, such as one that waits instead of computing. Default nil.
	Open func() (op.Device, error)

	// Data says where Fashion-MNIST is looked for. Its Progress, where it is nil, is emitted as Downloading, and its Say as Busy.
	Data data.Options
	// Datasets are loaded already, and used in place of what Data would find. Default nil.
	Datasets *Datasets

	// Init is a checkpoint whose parameters the run starts from. Empty, the default: those of the seed.
	Init string
	// Resume is a run to go on with, as OpenResumption reads it. Default nil. Train then is that run's Config, with what is to change.
	Resume *Resumption
	// RunDir is the folder of this node's part of the run's record. Empty, the default: that of the run that goes on, where this node has
	// its state, else runs/<name> in the working directory. The leader says the name: the last part of its own folder, or
	// <time>-<model>-n<ranks>.
	RunDir string
	// Trace asks for a timeline. Default: none, unless another node asks for one.
	Trace TraceConfig

	// Leave, once it is closed, has this rank leave an elastic job behind the next step. Default nil: never.
	Leave <-chan struct{}

	// Version is that of the program; all nodes must have the same. Default empty.
	Version string
}

// Default is a Config with all defaults; Member.WorldSize is still to be set.
func Default() Config {
	return Config{
		Train: train.DefaultConfig(), Member: DefaultMemberConfig(), Ring: DefaultRingConfig(), Device: DefaultDeviceConfig(),
		Trace: DefaultTraceConfig(),
	}
}

// Validate refuses in one line what can be refused before anything is opened. What it can see beforehand of the file system is looked
// at: whether the run directory and the timeline can be written.
func (c Config) Validate() error {
	if err := c.Member.Validate(); err != nil {
		return err
	}
	if err := c.Ring.Validate(); err != nil {
		return err
	}
	if c.Init != "" && c.Resume != nil {
		return settingError("init", " and --resume exclude each other: a run goes on with its own parameters")
	}
	if err := c.checkFolder(); err != nil {
		return err
	}
	switch {
	case c.Member.Elastic.On && c.Autotune:
		return settingError("autotune", " and --elastic exclude each other: who joins later could not know what was found; tune without, and give the flags that it names")
	case c.Member.Elastic.On && c.Trace.File != "":
		return settingError("trace", " and --elastic exclude each other: a timeline is of ranks that are there from the first step to the last")
	case c.Autotune && c.Member.WorldSize == 1:
		return settingError("autotune", " has no effect with --expect 1: nothing travels; leave it out")
	case c.Autotune && c.Train.PowerSGD > 0:
		return settingError("autotune", " and --powersgd exclude each other: it would try whole gradients where factors travel; tune without, and give the flags that it names")
	}
	if err := c.validateTraining(); err != nil {
		return err
	}
	if err := c.Device.Validate(); err != nil {
		return err
	}
	return c.Trace.Validate(c.Train)
}

// checkFolder looks at the folder that the run's record may go to from here: any node may lead, and all write a log.
func (c Config) checkFolder() error {
	switch {
	case c.Member.Elastic.On && len(c.Member.Join) > 0: // the folder may be that of the job that it joins, which runs
		return nil
	case c.Resume.Here() && c.Resume.dir != "" && (c.RunDir == "" || sameDir(c.RunDir, c.Resume.dir)):
		if err := report.CheckUnlocked(c.Resume.dir); err != nil {
			return err
		}
		if err := report.CheckWritable(filepath.Join(c.Resume.dir, StateFile)); err != nil {
			return settingError("resume", " %s: its folder cannot be written: %w: choose another with --run-dir", c.Resume.path, err)
		}
		return nil
	case c.RunDir == "":
		if err := checkRuns(); err != nil {
			return err
		}
		return report.CheckRunDir(filepath.Join(runsDir, c.Train.Model))
	case c.Resume != nil && !c.Resume.Here(): // the leader's may be the same one, and hold the run
		return report.CheckUnlocked(c.RunDir)
	}
	return report.CheckRunDir(c.RunDir)
}

// validateTraining holds the training's configuration against the model.
func (c Config) validateTraining() error {
	_, info, err := lookUp(c.Train.Model)
	if err != nil {
		return settingError("model", ": %w", err)
	}
	if c.Train.SyncBatchNorm && len(info.State) == 0 {
		return settingError("sync-bn", " has no effect: %s has no batch norm; leave it out", c.Train.Model)
	}
	if err := c.Train.Validate(max(1, c.Member.WorldSize)); err != nil {
		return err
	}
	return c.Train.ValidateModel(info.Params)
}

// microBatch is the most samples that this rank has in a pass.
func (c Config) microBatch() int {
	return c.microBatchOf(max(1, c.Member.WorldSize))
}

// microBatchOf is the same in a world of another size.
func (c Config) microBatchOf(world int) int {
	share := world * max(1, c.Train.Accumulate)
	return (c.Train.GlobalBatch + share - 1) / share
}

// lookUp finds a model, and what it is.
func lookUp(model string) (models.Spec, nn.Info, error) {
	spec, err := models.Lookup(model)
	if err != nil {
		return spec, nn.Info{}, err
	}
	info, err := spec.Inspect()
	return spec, info, err
}
