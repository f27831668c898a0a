package train

import (
	"math"
	"strings"
	"testing"
)

func TestConfigIsRefusedInOneLine(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"Epochs 0":                          func(c *Config) { c.Epochs = 0 },
		"GlobalBatch 0":                     func(c *Config) { c.GlobalBatch = 0 },
		"GlobalBatch 3":                     func(c *Config) { c.GlobalBatch = 3 },
		"Accumulate 0":                      func(c *Config) { c.Accumulate = 0 },
		"Accumulate 65":                     func(c *Config) { c.Accumulate = 65 }, // 64 samples a rank
		"LearningRate NaN":                  func(c *Config) { c.LearningRate = math.NaN() },
		"LearningRate 1e+300":               func(c *Config) { c.LearningRate = 1e300 },
		"LearningRate 1e-300":               func(c *Config) { c.LearningRate = 1e-300 },
		"LearningRate -1":                   func(c *Config) { c.LearningRate = -1 },
		"Momentum 1":                        func(c *Config) { c.Momentum = 1 },
		"Nesterov true":                     func(c *Config) { c.Nesterov = true },
		"Nesterov true needs optimizer sgd": func(c *Config) { c.Optimizer, c.Nesterov, c.Momentum = "sgd", true, 0 },
		"Beta1 1":                           func(c *Config) { c.Beta1 = 1 },
		"Beta2 -1":                          func(c *Config) { c.Beta2 = -1 },
		"Epsilon 0":                         func(c *Config) { c.Epsilon = 0 },
		"WeightDecay -1":                    func(c *Config) { c.WeightDecay = -1 },
		"ClipNorm +Inf":                     func(c *Config) { c.ClipNorm = math.Inf(1) },
		`Schedule "x"`:                      func(c *Config) { c.Schedule = "x" },
		"StepEpochs 0":                      func(c *Config) { c.StepEpochs = 0 },
		"Gamma 0":                           func(c *Config) { c.Gamma = 0 },
		"MinRate 1":                         func(c *Config) { c.MinRate = 1 },
		"WarmupEpochs 10.5":                 func(c *Config) { c.WarmupEpochs = 10.5 },
		"LabelSmoothing 1":                  func(c *Config) { c.LabelSmoothing = 1 },
		"CropPadding 15":                    func(c *Config) { c.CropPadding = 15 },
		"Augment true":                      func(c *Config) { c.Augment, c.CropPadding, c.Flip = true, 0, false },
		"BucketBytes -1":                    func(c *Config) { c.BucketBytes = -1 },
		"CheckEvery -1":                     func(c *Config) { c.CheckEvery = -1 },
		"MaxSteps -1":                       func(c *Config) { c.MaxSteps = -1 },
		`Optimizer "lion"`:                  func(c *Config) { c.Optimizer = "lion" },
		`Wire "float16"`:                    func(c *Config) { c.Wire = "float16" },
		`ErrorFeedback "maybe"`:             func(c *Config) { c.ErrorFeedback = "maybe" },
		`ErrorFeedback "on"`:                func(c *Config) { c.ErrorFeedback = "on" },
		"PowerSGD -1":                       func(c *Config) { c.PowerSGD = -1 },
		"PowerSGDStart -1":                  func(c *Config) { c.PowerSGDStart = -1 },
		"PowerSGD 2 makes no sense":         func(c *Config) { c.PowerSGD, c.ShardOptimizer = 2, true },
		"LabelSmoothing NaN":                func(c *Config) { c.LabelSmoothing = math.NaN() },
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
	if err == nil || err.Error() != "GlobalBatch 256 is larger than the training set of 255 samples: give at most that" {
		t.Errorf("got %v", err)
	}
}
