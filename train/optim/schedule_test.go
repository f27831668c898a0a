package optim

import (
	"math"
	"testing"
)

// The expected rates are those that torch.optim.lr_scheduler gives by its recursions (get_lr of PyTorch 1.13): each
// scheduler turns the rate of a step into that of the next. They are another way to the numbers than Schedule's closed
// forms.
type torchScheduler func(t int, rate float64) float64

// linearLR is get_lr of LinearLR(end_factor=1).
func linearLR(startFactor float64, iters int) torchScheduler {
	return func(t int, rate float64) float64 {
		if t > iters {
			return rate
		}
		return rate * (1 + (1-startFactor)/(float64(iters)*startFactor+float64(t-1)*(1-startFactor)))
	}
}

// stepLR is get_lr of StepLR, called once an epoch.
func stepLR(stepsPerEpoch, stepSize int, gamma float64) torchScheduler {
	return func(t int, rate float64) float64 {
		if t%stepsPerEpoch != 0 || t/stepsPerEpoch%stepSize != 0 {
			return rate
		}
		return rate * gamma
	}
}

// cosineLR is get_lr of CosineAnnealingLR, begun at step from.
func cosineLR(from, tMax int, eta float64) torchScheduler {
	return func(t int, rate float64) float64 {
		if t -= from; t <= 0 {
			return rate
		}
		return (1+math.Cos(math.Pi*float64(t)/float64(tMax)))/(1+math.Cos(math.Pi*float64(t-1)/float64(tMax)))*(rate-eta) + eta
	}
}

func TestSchedulesAreThoseOfTorch(t *testing.T) {
	const perEpoch, world = 7, 4
	base := ScheduleConfig{
		Kind: "constant", WorldSize: world, StepsPerEpoch: perEpoch, Epochs: 10, LearningRate: 0.1, StepEpochs: 3, Gamma: 0.5, MinRate: 0.001,
	}
	warm := int(math.Round(2.5 * perEpoch))
	for name, c := range map[string]struct {
		change func(*ScheduleConfig)
		start  float64
		torch  []torchScheduler
	}{
		"constant": {func(c *ScheduleConfig) {}, 0.1, nil},
		"step":     {func(c *ScheduleConfig) { c.Kind = "step" }, 0.1, []torchScheduler{stepLR(perEpoch, 3, 0.5)}},
		"cosine":   {func(c *ScheduleConfig) { c.Kind = "cosine" }, 0.1, []torchScheduler{cosineLR(0, 70, 0.001)}},
		"warm-up": {func(c *ScheduleConfig) { c.WarmupEpochs = 2.5 }, 0.1 / float64(warm+1),
			[]torchScheduler{linearLR(1/float64(warm+1), warm)}},
		"warm-up and step": {func(c *ScheduleConfig) { c.WarmupEpochs, c.Kind, c.StepEpochs = 2.5, "step", 2 }, 0.1 / float64(warm+1),
			[]torchScheduler{linearLR(1/float64(warm+1), warm), stepLR(perEpoch, 2, 0.5)}},
		"warm-up and cosine": {func(c *ScheduleConfig) { c.WarmupEpochs, c.Kind = 2.5, "cosine" }, 0.1 / float64(warm+1),
			[]torchScheduler{linearLR(1/float64(warm+1), warm), cosineLR(warm, 70-warm, 0.001)}},
		"scaled":             {func(c *ScheduleConfig) { c.ScaleRate = true }, 0.4, nil},
		"scaled and warm-up": {func(c *ScheduleConfig) { c.ScaleRate, c.WarmupEpochs = true, 2.5 }, 0.1, []torchScheduler{linearLR(1./world, warm)}},
	} {
		cfg := base
		c.change(&cfg)
		s := NewSchedule(cfg)
		want := c.start
		for step := range cfg.Epochs * perEpoch {
			if step > 0 {
				for _, next := range c.torch {
					want = next(step, want)
				}
			}
			if got := s.Rate(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: step %d has rate %v, torch has %v", name, step, got, want)
				break
			}
		}
	}
}

// Five epochs of warm-up reach the scaled rate by constant increments, and stay there.
func TestScaledWarmUpIsThatOfGoyal(t *testing.T) {
	s := NewSchedule(ScheduleConfig{
		Kind: "constant", LearningRate: 0.1, ScaleRate: true, WarmupEpochs: 5, WorldSize: 8, Epochs: 10, StepsPerEpoch: 4,
	})
	for step, want := range map[int]float64{0: 0.1, 10: 0.45, 20: 0.8, 39: 0.8} {
		if got := s.Rate(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: rate %v, want %v", step, got, want)
		}
	}
}
