package train

import (
	"math"
	"strings"
	"testing"
)

func TestConfigIsRefusedInOneLine(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"--epochs 0":                        func(c *Config) { c.Epochs = 0 },
		"--global-batch 0":                  func(c *Config) { c.GlobalBatch = 0 },
		"--global-batch 3":                  func(c *Config) { c.GlobalBatch = 3 },
		"--accumulate 0":                    func(c *Config) { c.Accumulate = 0 },
		"--accumulate 65":                   func(c *Config) { c.Accumulate = 65 }, // 64 samples a rank
		"--lr NaN":                          func(c *Config) { c.LearningRate = math.NaN() },
		"--lr 1e+300":                       func(c *Config) { c.LearningRate = 1e300 },
		"--lr 1e-300":                       func(c *Config) { c.LearningRate = 1e-300 },
		"--lr -1":                           func(c *Config) { c.LearningRate = -1 },
		"--momentum 1":                      func(c *Config) { c.Momentum = 1 },
		"--nesterov":                        func(c *Config) { c.Nesterov = true },
		"--nesterov needs":                  func(c *Config) { c.Optimizer, c.Nesterov, c.Momentum = "sgd", true, 0 },
		"--beta1 1":                         func(c *Config) { c.Beta1 = 1 },
		"--beta2 -1":                        func(c *Config) { c.Beta2 = -1 },
		"--epsilon 0":                       func(c *Config) { c.Epsilon = 0 },
		"--weight-decay -1":                 func(c *Config) { c.WeightDecay = -1 },
		"--clip-norm +Inf":                  func(c *Config) { c.ClipNorm = math.Inf(1) },
		`--schedule "x"`:                    func(c *Config) { c.Schedule = "x" },
		"--step-epochs 0":                   func(c *Config) { c.StepEpochs = 0 },
		"--gamma 0":                         func(c *Config) { c.Gamma = 0 },
		"--min-lr 1":                        func(c *Config) { c.MinRate = 1 },
		"--warmup-epochs 10.5":              func(c *Config) { c.WarmupEpochs = 10.5 },
		"--label-smoothing 1":               func(c *Config) { c.LabelSmoothing = 1 },
		"--crop-padding 15":                 func(c *Config) { c.CropPadding = 15 },
		"--augment":                         func(c *Config) { c.Augment, c.CropPadding, c.Flip = true, 0, false },
		"--bucket-bytes -1":                 func(c *Config) { c.BucketBytes = -1 },
		"--check-every -1":                  func(c *Config) { c.CheckEvery = -1 },
		"--max-steps -1":                    func(c *Config) { c.MaxSteps = -1 },
		`--optimizer "lion"`:                func(c *Config) { c.Optimizer = "lion" },
		`--wire "float16"`:                  func(c *Config) { c.Wire = "float16" },
		`--error-feedback "maybe"`:          func(c *Config) { c.ErrorFeedback = "maybe" },
		"--error-feedback on":               func(c *Config) { c.ErrorFeedback = "on" },
		"--powersgd -1":                     func(c *Config) { c.PowerSGD = -1 },
		"--powersgd-start -1":               func(c *Config) { c.PowerSGDStart = -1 },
		"--powersgd with --shard-optimizer": func(c *Config) { c.PowerSGD, c.ShardOptimizer = 2, true },
		"--label-smoothing NaN":             func(c *Config) { c.LabelSmoothing = math.NaN() },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(4); err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", says, err)
		}
	}
	if err := DefaultConfig().Validate(4); err != nil {
		t.Error(err)
	}
}

func TestGlobalBatchBeyondTheDataIsRefused(t *testing.T) {
	cfg := DefaultConfig()
	if err := cfg.ValidateSamples(256); err != nil {
		t.Error(err)
	}
	err := cfg.ValidateSamples(255)
	if err == nil || err.Error() != "--global-batch 256 is larger than the training set of 255 samples: give at most that" {
		t.Errorf("got %v", err)
	}
}
