package run

import (
	"context"
	"fmt"
	"time"

	"ringloom/models"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// Values of Kernels.Pin; without one, the fastest kernels are found by trying them.
const (
	KernelsDirect = "direct"
	KernelsRule   = "rule"
)

// Kernels says how a device chooses among its ways to compute an operation.
type Kernels struct {
	// Pin is KernelsDirect (oneDNN's direct algorithm alone) or KernelsRule (by shape alone), for bits that do not depend on what was
	// tried. Empty, the default: the fastest is found by trying.
	Pin string
	// Dir is the folder in which choices are remembered for the next run on this machine. Empty, the default: nowhere.
	Dir string
	// Version is that of the program: another version's kernels differ, so its choices do not count.
	Version string
	// Say is told what takes more than 2 s, and how far it is, in one line; Warn what the user should know, likewise. Default nil: nobody
	// is told.
	Say, Warn func(text string)
}

func (k Kernels) warn(text string) {
	if k.Warn != nil {
		k.Warn(text)
	}
}

func (k Kernels) teller() *teller { return newTeller(k.Say) }

// Validate refuses other values.
func (k Kernels) Validate() error {
	switch k.Pin {
	case "", KernelsDirect, KernelsRule:
		return nil
	}
	return settingError("deterministic-kernels", " %q: choose %s or %s, or leave it out", k.Pin, KernelsDirect, KernelsRule)
}

// KernelTrial is what Tune did.
type KernelTrial struct {
	Operations int           // whose kernels it tried
	Took       time.Duration // waiting for others included
	File       string        // where the choices are remembered; empty where they could not be
}

// String is what the user should know of it.
func (t KernelTrial) String() string {
	s := fmt.Sprintf("tried how to compute %d operations fastest here in %v", t.Operations, t.Took.Round(time.Millisecond))
	if t.File != "" {
		s += ", remembered in " + t.File
	}
	return s
}

// Tune lets the device find the fastest way to compute each of the model's operations, unless another run on
// this machine has done so before. Processes that start together do it one after the other, so that the first tries on
// a quiet machine and the others follow it.
func (k Kernels) Tune(ctx context.Context, device op.Device, model models.Spec, batch int, training bool) (t KernelTrial, err error) {
	begin := time.Now()
	err = k.withMemory(ctx, device, true, func(tuner op.Tuner, memory *kernelMemory) error {
		specs, err := exec.Specs(model.Build, model.InputSide, batch, training)
		if err != nil {
			return err
		}
		tuner.SetChoices(memory.choices())
		before := len(tuner.Choices())
		waits := k.teller()
		for i := range specs {
			waits.tell(fmt.Sprintf("trying how to compute %s fastest here, once a machine and shape: %d of %d operations", model.Name, i, len(specs)))
			if err := tuner.Tune(ctx, specs[i:i+1]); err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return fmt.Errorf("trying kernels for %s: %w", model.Name, err)
			}
		}
		t = KernelTrial{Operations: len(tuner.Choices()) - before, Took: time.Since(begin), File: memory.path}
		return nil
	})
	return t, err
}

// Remember keeps what the device has chosen since Tune, such as a GPU for batches of other sizes. It waits for nobody:
// where another process has the file now, a later run chooses again.
func (k Kernels) Remember(ctx context.Context, device op.Device) error {
	return k.withMemory(ctx, device, false, func(op.Tuner, *kernelMemory) error { return nil })
}

// withMemory hands use the memory of a device's choices, and keeps those that the device has afterwards. It does nothing
// where there is no choice: the device knows one way alone, or the choice is pinned.
func (k Kernels) withMemory(ctx context.Context, device op.Device, wait bool, use func(op.Tuner, *kernelMemory) error) error {
	tuner, ok := device.(op.Tuner)
	if !ok || k.Pin != "" {
		return nil
	}
	memory, err := openKernelMemory(ctx, k, tuner.Machine(), wait)
	if err != nil {
		return err
	}
	defer memory.close()
	err = use(tuner, memory)
	memory.add(tuner.Choices()) // and those that were found before it failed or its context ended
	return err
}
