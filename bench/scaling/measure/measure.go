package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ringloom/allreduce"
	"ringloom/allreduce/codec"
	"ringloom/bench/collective"
	"ringloom/bench/scaling"
	"ringloom/data"
	"ringloom/nn"
	"ringloom/nn/op"
	"ringloom/timeline"
	"ringloom/train"
)

// Rank is what one rank brings.
type Rank struct {
	Ring *allreduce.Group
	// Open opens the device; Measure closes it. Each global batch has one of its own, so that memory does not add up.
	Open func() (op.Device, error)
	// Threads is the number of compute threads of the device.
	Threads int
	// Node is this rank's process in messages.
	Node string
	// Images are the training set, nil for random pixels.
	Images *data.Dataset
	// OnStep, if set, is called after every step that is trained.
	OnStep func()
	// Progress, if set, is told in words what is measured next.
	Progress func(string)
}

// Measure measures as one rank. Every rank gets the same study, except for the description of its own device, with a
// point for each global batch, whose mode is empty. Version, Machine, Transport and the like are the caller's to fill
// in. Its thread must be locked where the device needs that.
func Measure(ctx context.Context, c Config, r Rank) (scaling.Study, error) {
	if err := c.Validate(r.Ring.WorldSize()); err != nil {
		return scaling.Study{}, err
	}
	study := scaling.Study{Model: c.Model.Name}
	for _, batch := range c.GlobalBatches {
		r.say("%d ranks, %d images per step", r.Ring.WorldSize(), batch)
		if err := r.train(ctx, c, batch, &study); err != nil {
			return scaling.Study{}, fmt.Errorf("%s with a global batch of %d: %w", c.Model.Name, batch, err)
		}
	}
	if r.Ring.WorldSize() == 1 {
		return study, nil
	}
	for _, bytes := range c.Collectives {
		r.say("%d ranks, all-reduce of %d bytes", r.Ring.WorldSize(), bytes)
		collective, err := r.allReduce(ctx, bytes, c.Wire)
		if err != nil {
			return scaling.Study{}, err
		}
		study.Collectives = append(study.Collectives, collective)
	}
	return study, nil
}

func (r Rank) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// train measures one global batch, and adds its point to the study.
func (r Rank) train(ctx context.Context, c Config, batch int, study *scaling.Study) error {
	device, err := r.Open()
	if err != nil {
		return err
	}
	defer device.Close()
	ignorer, blind := device.(interface{ IgnoresImages() bool })
	training, test := sets(r.Images, blind && ignorer.IgnoresImages(), batch, r.Ring.WorldSize(), c.Seed)
	marks := make([]time.Time, 0, c.WarmUp+MaxSteps+1)
	worker, err := train.NewWorker(train.Options{
		Config: c.training(batch), Device: device, Ring: r.Ring, Rank: r.Ring.Rank(), WorldSize: r.Ring.WorldSize(), Train: training, Test: test,
		OnStep: func(train.Step) {
			if r.OnStep != nil {
				r.OnStep()
			}
			marks = append(marks, time.Now())
		},
	})
	if err != nil {
		return err
	}
	worker.MaxSteps = c.WarmUp
	if err := worker.Run(ctx); err != nil {
		return err
	}
	steps, err := r.agreeOnSteps(ctx, c, marks)
	if err != nil {
		return err
	}
	record, cpu, err := r.record(ctx, c, worker, steps)
	if err != nil {
		return err
	}
	ranks, err := timeline.Gather(ctx, r.Ring, record)
	if err != nil {
		return err
	}
	own := process{Threads: r.Threads, CPUSeconds: cpu.Seconds() / float64(steps+1)}
	processes, err := allreduce.AllGatherJSON(ctx, r.Ring, own)
	if err != nil {
		return fmt.Errorf("gathering the processor times: %w", err)
	}
	point, err := newPoint(ranks, processes, batch, steps)
	if err != nil {
		return err
	}
	study.Device = device.Description()
	study.Points = append(study.Points, point)
	study.Buckets, study.BucketReady = buckets(ranks[0].Events)
	study.GradientBytes = 0
	for _, b := range study.Buckets {
		study.GradientBytes += b
	}
	return nil
}

// agreeOnSteps is the number of steps to measure: by the slowest rank's median warm-up step but the first.
func (r Rank) agreeOnSteps(ctx context.Context, c Config, marks []time.Time) (int, error) {
	var took []float64
	for i := 1; i < len(marks); i++ {
		took = append(took, marks[i].Sub(marks[i-1]).Seconds())
	}
	medians, err := allreduce.AllGatherJSON(ctx, r.Ring, median(took))
	if err != nil {
		return 0, fmt.Errorf("agreeing on the number of steps: %w", err)
	}
	return c.steps(slices.Max(medians)), nil
}

// record trains so many steps more, and one in which the loader starts, and says what this rank did and what processor
// time its process took.
func (r Rank) record(ctx context.Context, c Config, worker *train.Worker, steps int) (timeline.Rank, time.Duration, error) {
	info, err := nn.Inspect(c.Model.InputSide, c.Model.Build)
	if err != nil {
		return timeline.Rank{}, 0, err
	}
	recorder := timeline.NewRecorder(train.EventsPerStep(worker.Config, info) * (steps + 1))
	worker.Recorder = recorder
	first, err := timeline.MeasureClock(ctx, r.Ring, r.Ring.Rank(), recorder.Now)
	if err != nil {
		return timeline.Rank{}, 0, err
	}
	before := processTime()
	worker.MaxSteps = c.WarmUp + steps + 1
	if err := worker.Run(ctx); err != nil {
		return timeline.Rank{}, 0, err
	}
	cpu := processTime() - before
	last, err := timeline.MeasureClock(ctx, r.Ring, r.Ring.Rank(), recorder.Now)
	if err != nil {
		return timeline.Rank{}, 0, err
	}
	record := recorder.Rank(r.Ring.Rank(), r.Node, worker.Device.Name())
	record.Align(first, last)
	return record, cpu, nil
}

// process is what a rank tells the others of its own.
type process struct {
	Threads    int     `json:"threads"`
	CPUSeconds float64 `json:"cpu_seconds"` // per step; 0 where the system does not tell
}

// allReduce times one size.
func (r Rank) allReduce(ctx context.Context, bytes int64, wire string) (scaling.Collective, error) {
	format, err := codec.Parse(wire)
	if err != nil {
		return scaling.Collective{}, err
	}
	c := collective.Default()
	c.Numbers = collective.NumbersOf(format)
	c.MinBytes, c.MaxBytes, c.Duration, c.OnlyInPlace = bytes, bytes, 2*time.Second, true
	var row collective.Row
	sum, err := collective.Run(ctx, collective.Wired{Group: r.Ring, Format: format}, c, func(measured collective.Row) error { row = measured; return nil })
	if err != nil {
		return scaling.Collective{}, err
	}
	if sum.WrongValues > 0 {
		return scaling.Collective{}, fmt.Errorf("all-reduce of %d bytes: %d values are wrong; nothing measured with such a ring counts", bytes, sum.WrongValues)
	}
	return scaling.Collective{Ranks: r.Ring.WorldSize(), Bytes: bytes, Seconds: row.InPlace.Seconds}, nil
}

// median of values, of an even number the mean of the middle two; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
