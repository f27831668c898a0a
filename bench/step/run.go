package step

import (
	"context"
	"fmt"
	"math"
	"time"

	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// Run measures a step, on the locked thread on which the device was opened.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := newStepper(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%s at batch %d: %w", c.Model.Name, c.Batch, err)
	}
	r := s.result()
	peak, err := c.measurePeak(0)
	if err != nil {
		return nil, err
	}
	for range c.WarmUp {
		if err := s.step(ctx, r); err != nil {
			return nil, err
		}
	}
	seconds, err := s.measure(ctx, r)
	if err != nil {
		return nil, err
	}
	if peak, err = c.measurePeak(peak); err != nil {
		return nil, err
	}
	r.setTimes(seconds)
	r.Kinds = byKind(r.Ops)
	if peak > 0 {
		r.setPeak(peak)
	}
	r.PeakRSSBytes = peakRSS()
	if s.Reference != nil {
		if r.Error, err = s.measureError(ctx, s.errorImages(r.StepFLOPs)); err != nil {
			return nil, fmt.Errorf("measuring the error of %s: %w", c.Model.Name, err)
		}
	}
	return r, nil
}

// measurePeak is the larger of what was measured before and what is measured now; 0 where it is not known.
func (c Config) measurePeak(before float64) (float64, error) {
	if c.Peak == nil {
		return 0, nil
	}
	now, err := c.Peak()
	if err != nil {
		return 0, fmt.Errorf("measuring the peak: %w", err)
	}
	return max(before, now), nil
}

// stepper is a model that is being trained.
type stepper struct {
	Config
	acc     op.Accelerator // the device, if it is one
	images  *op.Resampling // what it makes of them
	profile *profiler      // of any other device
	params  *nn.Params
	program *exec.Program
	update  *adam
	inputs  []batch
	steps   int
}

func newStepper(ctx context.Context, c Config) (s *stepper, err error) {
	s = &stepper{Config: c}
	if s.inputs, err = c.batches(ctx); err != nil {
		return nil, err
	}
	device := c.Device
	if s.acc, _ = op.AsAccelerator(device); s.acc != nil {
		s.images = c.resampling()
	} else {
		s.profile = &profiler{Device: device}
		device = s.profile
	}
	if s.params, err = c.Model.NewParams(device); err != nil {
		return nil, err
	}
	if err := s.params.Init(c.Seed); err != nil {
		return nil, err
	}
	s.program, err = exec.Compile(exec.Config{
		Device: device, Params: s.params, Batch: c.Batch, Side: c.Model.InputSide, Build: c.Model.Build, Training: true,
	})
	if err != nil {
		return nil, err
	}
	s.update, err = newAdam(device, s.params)
	return s, err
}

// measure takes the steps that count, and returns the seconds of each, or each round's mean. It fills in r.Ops.
func (s *stepper) measure(ctx context.Context, r *Result) (seconds []float64, err error) {
	if s.acc != nil {
		return s.measureRounds(ctx, r)
	}
	best := 0.0
	for begin := time.Now(); len(seconds) < s.MinSteps || time.Since(begin) < s.Duration; {
		s.profile.reset()
		stepBegin := time.Now()
		if err := s.step(ctx, r); err != nil {
			return nil, err
		}
		took := time.Since(stepBegin).Seconds()
		if len(seconds) == 0 || took < best {
			best, r.Ops = took, s.profile.ops(r.Ops[:0])
		}
		seconds = append(seconds, took)
	}
	r.Steps, r.RoundSteps = len(seconds), 1
	return seconds, nil
}

// step trains one batch. On an accelerator it returns when the loss is known, with the rest still to be computed.
func (s *stepper) step(ctx context.Context, r *Result) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	stats, err := s.passes(s.inputs[s.steps%len(s.inputs)])
	if err != nil {
		return fmt.Errorf("%s, step %d: %w", s.Model.Name, s.steps+1, err)
	}
	if math.IsNaN(stats.Loss) || math.IsInf(stats.Loss, 0) {
		return fmt.Errorf("%s: the loss of step %d is %v: what is measured is not training", s.Model.Name, s.steps+1, stats.Loss)
	}
	if s.steps == 0 {
		r.FirstLoss = stats.Loss
	}
	r.LastLoss = stats.Loss
	s.steps++
	return nil
}

// passes is what a step computes.
func (s *stepper) passes(in batch) (stats exec.Stats, err error) {
	s.program.SetDropoutKey(s.Seed + uint64(s.steps))
	if s.acc != nil {
		err = s.program.LoadImages(in.images, s.images, in.labels)
	} else {
		err = s.program.Load(in.pixels, in.labels)
	}
	if err == nil {
		err = s.program.Start()
	}
	if err == nil {
		err = s.program.Backward(nil)
	}
	if err == nil {
		err = s.update.run()
	}
	if err != nil {
		return stats, err
	}
	return s.program.Stats()
}

// result is what is known before the first step.
func (s *stepper) result() *Result {
	forward, backward := s.program.FLOPs()
	r := &Result{
		Model: s.Model.Name, Batch: s.Batch, Device: s.Device.Name(), DeviceInfo: s.Device.Description(), Threads: s.Threads,
		Precision: precision(s.Device), Data: DataReal, Parameters: s.params.Len(),
		StepFLOPs: forward + backward, ActivationBytes: s.program.ActivationBytes(),
	}
	if s.Images == nil {
		r.Data = DataRandom
	}
	return r
}

// precision is that of the device's arithmetic, as --precision names it.
func precision(device op.Device) string {
	if d, ok := device.(interface{ Precision() string }); ok {
		return d.Precision()
	}
	return "float32"
}
