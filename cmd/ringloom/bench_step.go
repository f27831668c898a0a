package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ringloom/bench/step"
	"ringloom/data"
	"ringloom/models"
	"ringloom/nn/onednn"
	"ringloom/nn/op"
	"ringloom/nn/purego"
	"ringloom/run"
)

// benchStepFlags is the command line of `ringloom bench step`.
type benchStepFlags struct {
	model, dataDir string
	deviceFlags
	batch, steps int
	duration     time.Duration
	seed         uint64
	errorImages  int
	ops, json    bool
}

func benchStepCommand() *cobra.Command {
	var f benchStepFlags
	cmd := &cobra.Command{
		Use:   "step",
		Short: "Measure one training step, and say where its time goes",
		Long: `Measure whole training steps (forward, backward, Adam's update) of one process without a ring, and print the
best and the median, the arithmetic beside the float32 peak that the same threads reach in the same run, the
memory, and the time by kind of operation in the best step. Images are the first of Fashion-MNIST where it is
found without a download, else random pixels; the output says which. --model all measures every model, each in a
process of its own.

Then the error is measured: logits and gradients of one step beside the same in float64, by the plain device, from the same
parameters (the seed's) on the first images of the batch, without dropout. --precision strict shows what exact sums cost and give.

A GPU still computes a step when the next one is given to it. There steps are timed in rounds, each until the GPU is done, and
the mean of a round takes the place of a step; the images go to the GPU in every step, as in training. The times of operations are
from one step more, whose kernels run one by one: together they need not be the step's.

With --json, one object a line:
  model, batch, device, device_description, threads, precision, parameters (number of scalars), steps (measured)
  round_steps               steps that are timed at once: 1, but on a GPU
  data                      "Fashion-MNIST" or "random pixels"
  images_per_second         of the best step; images_per_second_median of the median step
  step_seconds              of the best step; step_seconds_median
  step_flops                multiplications and additions of convolutions and linear layers in one step
  flops_per_second          step_flops/step_seconds
  peak_flops_per_second     measured before and after the steps, float32; null where the device cannot
  peak_fraction             flops_per_second/peak_flops_per_second, or null
  activation_bytes          memory that all intermediate results share
  peak_rss_bytes            largest resident memory of the process, or null
  first_loss, last_loss     mean cross-entropy of the first and the last step, warm-up counted
  error                     how far a step is off from float64 (relative L2), or null: images, logits, gradients (all as one vector),
                            largest_gradient and largest_gradient_parameter (of a single parameter), median_gradient (over the
                            parameters), reference_loss (in float64)
  traced                    whether kinds and ops are of a step of its own, as on a GPU
  kinds                     the best step by kind: kind, count, seconds, flops
  ops                       the same by operation, with its geometry and, on a GPU, its kernels (--ops)`,
		Example: `  ringloom bench step --model alexnet
  ringloom bench step --model all --duration 3s --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usageError{err}
			}
			if f.model == "all" {
				return f.all(cmd)
			}
			return f.one(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.model, "model", "lenet", "network to measure (see 'ringloom models'), or all")
	fl.IntVar(&f.batch, "batch", 0, "images of a step (0: the model's usual number)")
	f.deviceFlags.register(fl, 0, "compute threads (0: all cores)")
	fl.IntVar(&f.steps, "steps", 0, "steps to measure (0: as many as --duration allows, at least 3)")
	fl.DurationVar(&f.duration, "duration", 5*time.Second, "time to measure for, unless --steps is given")
	fl.Uint64Var(&f.seed, "seed", 1, "seed of the initial parameters and of dropout")
	fl.StringVar(&f.dataDir, "data", "", "folder of Fashion-MNIST (default: $RINGLOOM_DATA, the cache, Debian's package)")
	fl.IntVar(&f.errorImages, "error-images", 0, "images by which the error is measured (0: a power of two that takes about two seconds; -1: it is not measured)")
	fl.BoolVar(&f.ops, "ops", false, "also list the operations one by one")
	fl.BoolVar(&f.json, "json", false, "print one JSON object a line")
	return cmd
}

const (
	benchMinSteps = 3
	benchWarmUp   = 1
	// benchPeakTime is long enough that some round finds all cores awake.
	benchPeakTime = 300 * time.Millisecond
)

func (f *benchStepFlags) check() error {
	if f.model != "all" {
		if _, err := models.Lookup(f.model); err != nil {
			return fmt.Errorf("--model: %w", err)
		}
	}
	if err := f.deviceFlags.check(); err != nil {
		return err
	}
	switch {
	case f.batch < 0:
		return fmt.Errorf("--batch %d: give a positive number, or 0 for the model's usual one", f.batch)
	case f.steps < 0:
		return fmt.Errorf("--steps %d: give a positive number, or 0 for as many as --duration allows", f.steps)
	case f.errorImages < -1:
		return fmt.Errorf("--error-images %d: give a positive number, 0 for as many as take about two seconds, or -1 for none", f.errorImages)
	case f.duration < 0:
		return fmt.Errorf("--duration %v: give a positive time", f.duration)
	}
	return nil
}

// all measures every model in a process of its own: memory that one model has touched is no other's peak.
func (f *benchStepFlags) all(cmd *cobra.Command) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program to start it once a model: %w", err)
	}
	// The system ends a child when the thread that has started it ends: it must last as long as this function.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var failed []error
	for i, model := range models.Names() {
		if i > 0 && !f.json {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		child := exec.CommandContext(cmd.Context(), self, append([]string{"bench", "step", "--model", model}, f.arguments()...)...)
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		child.Stdout, child.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := child.Run(); err != nil {
			if cause := context.Cause(cmd.Context()); cause != nil {
				return cause
			}
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == exitUsage {
				return &alreadyShown{exitUsage} // the others would say the same
			}
			failed = append(failed, fmt.Errorf("%s: %w", model, err))
		}
	}
	return errors.Join(failed...)
}

// arguments are the flags but for --model.
func (f *benchStepFlags) arguments() []string {
	return append(append(f.deviceFlags.arguments(), givenFlags("data", f.dataDir)...),
		fmt.Sprint("--batch=", f.batch), fmt.Sprint("--threads=", f.threads),
		fmt.Sprint("--steps=", f.steps), fmt.Sprint("--duration=", f.duration), fmt.Sprint("--seed=", f.seed),
		fmt.Sprint("--error-images=", f.errorImages), fmt.Sprint("--ops=", f.ops), fmt.Sprint("--json=", f.json),
	)
}

func (f *benchStepFlags) one(ctx context.Context, out io.Writer) error {
	model, err := models.Lookup(f.model)
	if err != nil {
		return err
	}
	images, err := benchImages(ctx, f.dataDir)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	on := f.deviceFlags.config()
	device, note, err := run.OpenDevice(on)
	if err != nil {
		return err
	}
	defer device.Close()
	if note != "" {
		fmt.Fprintln(standardError, "ringloom:", note)
	}
	c := step.Config{
		Model: model, Device: device, Threads: run.BusyThreads(device, on.ComputeThreads()), Batch: f.batch, Images: images, Seed: f.seed,
		MinSteps: f.steps, WarmUp: benchWarmUp, Peak: devicePeak(device, on.ComputeThreads()),
	}
	if f.errorImages >= 0 {
		c.ErrorImages = f.errorImages
		c.Reference = func() (step.Reference, error) { return purego.NewFloat64(), nil }
	}
	if c.Batch == 0 {
		c.Batch = step.DefaultBatch(model.Name)
	}
	if c.MinSteps == 0 {
		c.MinSteps, c.Duration = benchMinSteps, f.duration
	}
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	if _, err := on.Kernels.Tune(ctx, device, model, c.Batch, true); err != nil {
		return err
	}
	r, err := step.Run(ctx, c)
	if err != nil {
		return err
	}
	if err := on.Kernels.Remember(ctx, device); err != nil {
		return err
	}
	if !f.ops {
		r.Ops = nil
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.WriteText(out)
}

// benchImages is the training set, or nil where it is not on this machine: a bench downloads nothing. A folder that
// the user named must have it.
func benchImages(ctx context.Context, dir string) (*data.Dataset, error) {
	sets, err := loadData(ctx, dir, true)
	if err == nil {
		return sets.Train, nil
	}
	if errors.As(err, new(*data.NotFoundError)) && dir == "" && os.Getenv("RINGLOOM_DATA") == "" {
		return nil, nil
	}
	return nil, err
}

// devicePeak is how to measure a device's peak, or nil where there is no way.
func devicePeak(device op.Device, threads int) func() (float64, error) {
	if device.Name() != "cpu" {
		return nil
	}
	return func() (float64, error) { return onednn.PeakFLOPS(threads, benchPeakTime) }
}
