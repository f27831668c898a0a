package train

import (
	"fmt"
	"strconv"
	"strings"

	"ringloom/allreduce/codec"
	"ringloom/data"
	"ringloom/train/optim"
)

// Setting is a field of Config as people meet it: on the command line, among what ranks must agree on, where a run goes on,
// and in errors. Settings lists all of them, so that none of these can forget one.
type Setting struct {
	Field  string // its name in Config, as a SettingError has it
	Flag   string // its name on a command line, without dashes
	Label  string // its name in the list of differences between ranks or runs
	Help   string
	Bytes  bool // a number of bytes, which people give with a unit
	Resume OnResume

	at    func(*Config) any // its address
	needs func(Config) *Need
}

// OnResume says what becomes of a setting where a run goes on with another value than it had.
type OnResume int

const (
	// MayChange settings are taken as they are now, and the change is told.
	MayChange OnResume = iota
	// MustAgree settings give the state its meaning: another value is refused.
	MustAgree
	// ChangesNothing settings have no influence on any number.
	ChangesNothing
)

// Address is where c holds the setting: a *string, *int, *uint64, *float64 or *bool.
func (s Setting) Address(c *Config) any { return s.at(c) }

// Value is what c holds, as text that is the same for equal values alone.
func (s Setting) Value(c Config) string {
	switch v := s.at(&c).(type) {
	case *string:
		return *v
	case *int:
		return strconv.Itoa(*v)
	case *uint64:
		return strconv.FormatUint(*v, 10)
	case *float64:
		return strconv.FormatFloat(*v, 'g', -1, 64)
	case *bool:
		return strconv.FormatBool(*v)
	}
	panic("train: a setting of an unknown type")
}

// Need is another setting without which one has no effect.
type Need struct {
	Field  string
	phrase string // with the name in the place of %s
}

// Named is what is needed, such as "optimizer sgd", with a name for the other setting.
func (n *Need) Named(name string) string { return fmt.Sprintf(n.phrase, name) }

// Needs says without what the setting has no effect in c; nil where it has one.
func (s Setting) Needs(c Config) *Need {
	if s.needs == nil {
		return nil
	}
	return s.needs(c)
}

// SettingError says in one line what cannot be run with a setting's value.
type SettingError struct {
	Field   string // the setting's, to be found among Settings
	Value   any
	Problem string // what is wrong, and what to give instead
}

func (e *SettingError) Error() string { return e.Named(e.Field) }

// Named is the line with another name for the setting, such as that of its flag.
func (e *SettingError) Named(name string) string {
	if _, ok := e.Value.(string); ok {
		return fmt.Sprintf("%s %q%s", name, e.Value, e.Problem)
	}
	return fmt.Sprintf("%s %v%s", name, e.Value, e.Problem)
}

// bad makes a SettingError. The problem follows the value: it begins with a colon or a blank.
func bad(field string, value any, problem string, args ...any) error {
	return &SettingError{field, value, fmt.Sprintf(problem, args...)}
}

// with is the need of another setting where a condition does not hold.
func with(field, phrase string, met func(Config) bool) func(Config) *Need {
	return func(c Config) *Need {
		if met(c) {
			return nil
		}
		return &Need{field, phrase}
	}
}

var (
	withSGD      = with("Optimizer", "%s sgd", func(c Config) bool { return c.Optimizer == "sgd" })
	withAdam     = with("Optimizer", "%s adam or adamw", func(c Config) bool { return c.Optimizer != "sgd" })
	withStep     = with("Schedule", "%s step", func(c Config) bool { return c.Schedule == "step" })
	withCosine   = with("Schedule", "%s cosine", func(c Config) bool { return c.Schedule == "cosine" })
	withAugment  = with("Augment", "%s", func(c Config) bool { return c.Augment })
	withPowerSGD = with("PowerSGD", "%s", func(c Config) bool { return c.PowerSGD != 0 })
	withLoss     = with("Wire", "another %s than float32", func(c Config) bool {
		return c.Wire != codec.Float32.String() || c.ErrorFeedback == "auto"
	})
)

func wires() string {
	var names []string
	for _, f := range codec.Formats() {
		names = append(names, f.String())
	}
	return strings.Join(names, ", ")
}

// Settings are the fields of Config in the order in which a command line lists them.
func Settings() []Setting { return settings }

var settings = []Setting{
	{Field: "Model", Flag: "model", Label: "model", Resume: MustAgree, at: func(c *Config) any { return &c.Model },
		Help: "network to train (see 'ringloom models')"},
	{Field: "Epochs", Flag: "epochs", Label: "epochs", at: func(c *Config) any { return &c.Epochs },
		Help: "passes over the training set"},
	{Field: "MaxSteps", Flag: "max-steps", Label: "max steps", Resume: ChangesNothing, at: func(c *Config) any { return &c.MaxSteps },
		Help: "end after this many steps (0: no limit)"},
	{Field: "GlobalBatch", Flag: "global-batch", Label: "global batch", Resume: MustAgree, at: func(c *Config) any { return &c.GlobalBatch },
		Help: "samples of one step, over all ranks together"},
	{Field: "Accumulate", Flag: "accumulate", Label: "accumulate", at: func(c *Config) any { return &c.Accumulate },
		Help: "micro-batches that each rank takes its part of a step in, to save memory (batch norm sees a micro-batch at a time)"},
	{Field: "SyncBatchNorm", Flag: "sync-bn", Label: "sync batch norm", at: func(c *Config) any { return &c.SyncBatchNorm },
		Help: "take batch norm's moments over all ranks' samples: one exchange a layer and pass"},
	{Field: "Seed", Flag: "seed", Label: "seed", Resume: MustAgree, at: func(c *Config) any { return &c.Seed },
		Help: "seed of the initial parameters, the order of the samples, dropout and augmentation"},

	{Field: "Optimizer", Flag: "optimizer", Label: "optimizer", Resume: MustAgree, at: func(c *Config) any { return &c.Optimizer },
		Help: strings.Join(optim.Methods(), ", ")},
	{Field: "LearningRate", Flag: "lr", Label: "learning rate", at: func(c *Config) any { return &c.LearningRate },
		Help: "learning rate"},
	{Field: "Momentum", Flag: "momentum", Label: "momentum", at: func(c *Config) any { return &c.Momentum },
		needs: withSGD,
		Help:  "momentum of sgd"},
	{Field: "Nesterov", Flag: "nesterov", Label: "Nesterov", at: func(c *Config) any { return &c.Nesterov },
		Help: "Nesterov's momentum, of sgd"},
	{Field: "Beta1", Flag: "beta1", Label: "beta1", needs: withAdam, at: func(c *Config) any { return &c.Beta1 },
		Help: "decay of the mean gradient, of adam and adamw"},
	{Field: "Beta2", Flag: "beta2", Label: "beta2", needs: withAdam, at: func(c *Config) any { return &c.Beta2 },
		Help: "decay of the mean squared gradient, of adam and adamw"},
	{Field: "Epsilon", Flag: "epsilon", Label: "epsilon", needs: withAdam, at: func(c *Config) any { return &c.Epsilon },
		Help: "added to the root of the mean square, of adam and adamw"},
	{Field: "WeightDecay", Flag: "weight-decay", Label: "weight decay", at: func(c *Config) any { return &c.WeightDecay },
		Help: "as torch.optim has it, on all parameters, biases and batch norm too: added to the gradient (sgd, adam) or decoupled (adamw)"},
	{Field: "ClipNorm", Flag: "clip-norm", Label: "clip norm", at: func(c *Config) any { return &c.ClipNorm },
		Help: "scale the averaged gradient down to this norm over all parameters (0: never)"},
	{Field: "Schedule", Flag: "schedule", Label: "schedule", at: func(c *Config) any { return &c.Schedule },
		Help: "learning rate over time: " + strings.Join(optim.Schedules(), ", ")},
	{Field: "StepEpochs", Flag: "step-epochs", Label: "step epochs", at: func(c *Config) any { return &c.StepEpochs },
		needs: withStep,
		Help:  "with --schedule step: multiply the rate by --gamma every this many epochs"},
	{Field: "Gamma", Flag: "gamma", Label: "gamma", at: func(c *Config) any { return &c.Gamma },
		needs: withStep,
		Help:  "with --schedule step: the factor"},
	{Field: "MinRate", Flag: "min-lr", Label: "minimum rate", at: func(c *Config) any { return &c.MinRate },
		needs: withCosine,
		Help:  "with --schedule cosine: the rate at the end of the last epoch"},
	{Field: "WarmupEpochs", Flag: "warmup-epochs", Label: "warm-up epochs", at: func(c *Config) any { return &c.WarmupEpochs },
		Help: "raise the rate linearly, step by step, over so many epochs; 0.5 is half an epoch"},
	{Field: "ScaleRate", Flag: "scale-lr", Label: "scale rate", at: func(c *Config) any { return &c.ScaleRate },
		Help: "multiply --lr by the number of ranks; warm-up then starts from --lr itself (Goyal et al., 2017)"},
	{Field: "LabelSmoothing", Flag: "label-smoothing", Label: "label smoothing", at: func(c *Config) any { return &c.LabelSmoothing },
		Help: "share of the target spread over all classes; the training loss shown includes it"},
	{Field: "Augment", Flag: "augment", Label: "augment", at: func(c *Config) any { return &c.Augment },
		Help: "shift and mirror the training images at random, anew in each epoch"},
	{Field: "CropPadding", Flag: "crop-padding", Label: "crop padding", at: func(c *Config) any { return &c.CropPadding },
		needs: withAugment,
		Help:  fmt.Sprintf("with --augment: shift by up to so many of the image's %d pixels, each way", data.Side)},
	{Field: "Flip", Flag: "flip", Label: "flip", at: func(c *Config) any { return &c.Flip },
		needs: withAugment,
		Help:  "with --augment: mirror left and right with probability 1/2"},

	{Field: "BucketBytes", Flag: "bucket-bytes", Label: "bucket bytes", Bytes: true, at: func(c *Config) any { return &c.BucketBytes },
		Help: "least gradient bytes that travel as one all-reduce (0: an eighth of the gradients, 64KiB to 8MiB)"},
	{Field: "Wire", Flag: "wire", Label: "wire", at: func(c *Config) any { return &c.Wire },
		Help: "format in which gradients travel: " + wires()},
	{Field: "ErrorFeedback", Flag: "error-feedback", Label: "error feedback", at: func(c *Config) any { return &c.ErrorFeedback },
		needs: withLoss,
		Help:  "add what --wire has lost of a gradient to the next one: auto (with int8), on, off; takes the gradients' memory twice more"},
	{Field: "ShardOptimizer", Flag: "shard-optimizer", Label: "sharded optimizer", at: func(c *Config) any { return &c.ShardOptimizer },
		Help: "let each rank update a part of the parameters, so that the optimizer's memory is shared out over the ranks (ZeRO stage 1)"},
	{Field: "PowerSGD", Flag: "powersgd", Label: "PowerSGD", at: func(c *Config) any { return &c.PowerSGD },
		Help: "send the gradients of large fully connected weights as factors of this rank, such as 4 (0: send them whole)"},
	{Field: "PowerSGDStart", Flag: "powersgd-start", Label: "PowerSGD start", at: func(c *Config) any { return &c.PowerSGDStart },
		needs: withPowerSGD,
		Help:  "with --powersgd: send all gradients whole in the first so many steps"},
	{Field: "CheckEvery", Flag: "check-every", Label: "check every", Resume: ChangesNothing, at: func(c *Config) any { return &c.CheckEvery },
		Help: "compare the parameters over all ranks every this many steps (0: each epoch)"},
	{Field: "CheckpointEvery", Flag: "checkpoint-every", Label: "checkpoint every", Resume: ChangesNothing,
		at:   func(c *Config) any { return &c.CheckpointEvery },
		Help: "keep the run's state for --resume every this many steps as well (0: at each epoch's end alone)"},
}
