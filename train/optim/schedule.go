package optim

import "math"

// Schedules lists the names that ScheduleConfig.Kind takes.
func Schedules() []string { return []string{"constant", "step", "cosine"} }

// ScheduleConfig says how the learning rate moves over a run.
type ScheduleConfig struct {
	Kind          string  // one of Schedules
	LearningRate  float64 // what schedule and warm-up start from
	WorldSize     int     // ranks, by which the rate is multiplied where ScaleRate is set
	ScaleRate     bool
	Epochs        int
	StepsPerEpoch int
	WarmupEpochs  float64 // rounded to steps
	StepEpochs    int     // of step: multiply the rate by Gamma every this many epochs
	Gamma         float64 // of step
	MinRate       float64 // of cosine: the rate that it ends at
}

// Schedule is the learning rate of a run as a function of the step alone, so that a resumed run continues on the same
// curve. In terms of torch.optim.lr_scheduler, with a scheduler step after every optimizer step:
//
//	constant  LinearLR over the warm-up, then the target rate
//	step      LinearLR times StepLR; the epochs of StepLR count from the start of the run
//	cosine    LinearLR, then CosineAnnealingLR over all steps that are left (SequentialLR)
//
// Warm-up starts from the unscaled rate where the rate is scaled by the world (Goyal et al., arXiv:1706.02677,
// section 2.2), and else from one part in warm-up+1 of it, for a step at rate 0 would be wasted.
type Schedule struct {
	kind           string
	start, target  float64 // rates before and after the warm-up
	warmup         int     // steps
	stepsPerEpoch  int
	total          int // steps of all epochs
	stepEpochs     int
	gamma, minRate float64
}

// NewSchedule precomputes a schedule.
func NewSchedule(c ScheduleConfig) Schedule {
	s := Schedule{
		kind: c.Kind, target: c.LearningRate, warmup: int(math.Round(c.WarmupEpochs * float64(c.StepsPerEpoch))),
		stepsPerEpoch: c.StepsPerEpoch, total: c.Epochs * c.StepsPerEpoch, stepEpochs: c.StepEpochs,
		gamma: c.Gamma, minRate: c.MinRate,
	}
	s.start = s.target / float64(s.warmup+1)
	if c.ScaleRate {
		s.start = c.LearningRate
		s.target *= float64(c.WorldSize)
	}
	return s
}

// Rate is the learning rate of a step, counted from 0 over the whole run.
func (s Schedule) Rate(step int) float64 {
	rate := s.target
	if step < s.warmup {
		rate = s.start + (s.target-s.start)*float64(step)/float64(s.warmup)
	}
	switch s.kind {
	case "step":
		rate *= math.Pow(s.gamma, float64(step/s.stepsPerEpoch/s.stepEpochs))
	case "cosine":
		if step >= s.warmup {
			progress := float64(step-s.warmup) / float64(s.total-s.warmup)
			rate = s.minRate + (s.target-s.minRate)*(1+math.Cos(math.Pi*progress))/2
		}
	}
	return rate
}
