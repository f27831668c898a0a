//go:build gpu && cgo

package cuda

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

var _ op.Tuner = (*Device)(nil)

// Tune chooses how to compute the convolutions among specs.
func (d *Device) Tune(ctx context.Context, specs []op.Spec) error {
	if err := d.enter(); err != nil {
		return err
	}
	for _, spec := range specs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := spec.Validate(); err != nil {
			return fmt.Errorf("cuda: %w", err)
		}
		task, ok := taskOf(spec, d.HalfActivations())
		if !ok {
			continue
		}
		if _, err := d.choose(task); err != nil {
			return fmt.Errorf("%s %v: %w", spec.Kind(), spec, err)
		}
	}
	return nil
}

// Choices are the algorithms by task: those that SetChoices gave, and those that were found since.
func (d *Device) Choices() map[string]string { return maps.Clone(d.remembered) }

// SetChoices adds choices. One that this device cannot follow is made anew when its task comes up.
func (d *Device) SetChoices(named map[string]string) { maps.Copy(d.remembered, named) }

// Machine names what the choices depend on, which is not the one GPU but its kind.
func (d *Device) Machine() string {
	machine := fmt.Sprintf("%s, %d multiprocessors, %s", d.info.Name, d.info.Multiprocessors, d.software())
	if d.opts.LegacyConvolutions {
		machine += ", algorithms alone"
	}
	if d.opts.AnyOrder {
		machine += ", in any order"
	}
	return machine
}

// String names a task with all that the choice of an algorithm depends on.
func (c convTask) String() string {
	s := []string{"forward", "backward data", "backward weights"}[c.pass] + " " + c.conv.String()
	for _, part := range []struct {
		set  bool
		text string
	}{{c.half, "bf16"}, {c.accumulate, "accumulate"}, {c.after.bias, "bias"}, {c.after.relu, "relu"}, {c.after.apart, "apart"}} {
		if part.set {
			s += ", " + part.text
		}
	}
	return s
}

// The kinds of algorithms, as names begin. Users keep the names in files, so they never change. "engine+bias-NaN" was
// an engine whose ReLU makes 0 of NaN: it counts for nothing, and so does "algorithm+bias" where a ReLU follows.
const (
	nameAlgorithm = "algorithm"
	nameFused     = "algorithm+bias"
	namePlan      = "engine"
	nameFusedPlan = "engine+bias"
	namePatches   = "patches"
)

func (a legacyAlgorithm) name() string { return a.named(nameAlgorithm) }
func (f fused) name() string           { return f.named(nameFused) }

func (a legacyAlgorithm) named(kind string) string {
	return fmt.Sprint(kind, " ", a.ID, " math ", a.Math, " workspace ", a.WorkspaceBytes)
}

func (p patches) name() string { return fmt.Sprint(namePatches, " ", p.images) }

func (p plan) name() string {
	return fmt.Sprint(planKind(p.op), " ", p.Engine, " configuration ", p.Config)
}

func planKind(op libs.Operation) string {
	if op.Bias || op.ReLU {
		return nameFusedPlan
	}
	return namePlan
}

// recall makes the algorithm that was remembered for a task, or nothing where none was, it does not exist here, or
// there is less memory now than it takes.
func (d *Device) recall(task convTask) (algorithm, error) {
	kind, numbers, ok := parseName(d.remembered[task.String()])
	if !ok {
		return nil, nil
	}
	conv, err := d.descriptors(task)
	if err != nil {
		return nil, err
	}
	var found algorithm
	switch kind {
	case nameAlgorithm, nameFused:
		a := legacyAlgorithm{conv, task.pass, task.accumulate, libs.Algorithm{
			ID: int(numbers[0]), Math: int(numbers[1]), WorkspaceBytes: numbers[2],
		}}
		found = a
		if kind == nameFused {
			if !task.biasAlone() {
				return nil, nil
			}
			found = fused{a}
		}
	case namePlan, nameFusedPlan:
		if found, err = d.recallPlan(conv, task, kind, numbers[0], int(numbers[1])); found == nil || err != nil {
			return nil, err
		}
	case namePatches:
		if numbers[0] < 1 || numbers[0] > int64(task.conv.Src.N) {
			return nil, nil
		}
		found = patches{task, int(numbers[0])}
	}
	room, err := d.workspaceRoom(0)
	if err == nil && found.workspaceBytes() <= room {
		return found, nil
	}
	if closeErr := found.close(); err == nil {
		err = closeErr
	}
	return nil, err
}

func (d *Device) recallPlan(conv *libs.Conv, task convTask, kind string, engine int64, config int) (algorithm, error) {
	if d.opts.LegacyConvolutions {
		return nil, nil
	}
	for _, op := range task.operations() {
		if planKind(op) != kind {
			continue
		}
		p, err := conv.Plan(op, engine, config)
		if err == nil {
			return plan{p, op}, nil
		}
		if !refused(err) {
			return nil, err
		}
	}
	return nil, nil
}

// parseName takes a name apart: its kind, and each second word after it, which is a number.
func parseName(name string) (kind string, numbers []int64, ok bool) {
	words := strings.Fields(name)
	if len(words) == 0 {
		return "", nil, false
	}
	for i := 1; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil || n < 0 {
			return "", nil, false
		}
		numbers = append(numbers, n)
	}
	want, known := map[string]int{
		nameAlgorithm: 3, nameFused: 3, namePlan: 2, nameFusedPlan: 2, namePatches: 1,
	}[words[0]]
	return words[0], numbers, known && want == len(numbers)
}
