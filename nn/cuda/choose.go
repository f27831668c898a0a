//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"slices"

	"ringloom/nn/cuda/libs"
	"ringloom/nn/op"
)

// convTask is what an algorithm is chosen for: one of the three computations of a convolution.
type convTask struct {
	pass       libs.Pass
	conv       op.Conv
	half       bool
	accumulate bool // the result is added to what is there
	after      epilogue
}

// epilogue is what follows a forward convolution's sums.
type epilogue struct {
	bias, relu bool
	apart      bool // it cannot be done in one call with the convolution
}

// together says that the epilogue may be a part of the convolution.
func (t convTask) together() bool {
	return t.pass == libs.PassForward && (t.after.bias || t.after.relu) && !t.after.apart
}

// biasAlone says that it is nothing but a bias of float32, which one of cuDNN's older calls can add.
func (t convTask) biasAlone() bool { return t.together() && t.after.bias && !t.after.relu && !t.half }

// How many algorithms of each kind are timed for a convolution. cuDNN's own search times each algorithm once, which may
// include the loading of its kernel. Building a plan may compile one, which takes seconds.
const (
	mostAlgorithms = 3
	mostFused      = 4
	mostPlans      = 6
)

// choose is the algorithm for a task: the one that was remembered, or the fastest of those that compute it and give the
// same bits each time. It tries them on memory of its own.
func (d *Device) choose(task convTask) (algorithm, error) {
	task.conv.Dst.Pitch, task.conv.NoBias = 0, false
	if chosen, ok := d.choices[task]; ok {
		return chosen, nil
	}
	chosen, err := d.recall(task)
	if chosen == nil && err == nil {
		chosen, err = d.try(task)
	}
	if err != nil {
		return nil, err
	}
	d.choices[task] = chosen
	d.remembered[task.String()] = chosen.name()
	return chosen, nil
}

// descriptors are cuDNN's of a convolution. The algorithms of all its tasks share them, for as long as the device is
// open.
func (d *Device) descriptors(task convTask) (*libs.Conv, error) {
	shape := d.convShape(task.conv, task.half)
	if c := d.convs[shape]; c != nil {
		return c, nil
	}
	c, err := d.dnn.NewConv(shape)
	if err == nil {
		d.convs[shape] = c
	}
	return c, err
}

// try finds the fastest algorithm, and closes the others.
func (d *Device) try(task convTask) (best algorithm, err error) {
	t, err := d.newTrial(task)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	algorithms, err := t.algorithms()
	defer func() {
		for _, a := range algorithms {
			if a != best || err != nil {
				err = errors.Join(err, a.close())
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := t.expect(); err != nil {
		return nil, err
	}
	best, err = t.fastest(algorithms)
	if best == nil && err == nil { // cuDNN refuses to run what it has
		var own algorithm
		if own, err = t.patches(); err == nil {
			algorithms = append(algorithms, own)
			best, err = t.fastest(algorithms[len(algorithms)-1:])
		}
	}
	return best, err
}

// algorithms are those that cuDNN says it has for the task: of its legacy interface, the best first, then plans, which
// may be faster. They give the same bits each time, unless any order will do. Patches are for what cuDNN may be slow
// at, or has nothing for.
func (t *trial) algorithms() (all []algorithm, err error) {
	conv, err := t.device.descriptors(t.task)
	if err != nil {
		return nil, err
	}
	found, err := t.find(conv)
	if err != nil && !refused(err) {
		return nil, err
	}
	ordered := !t.device.opts.AnyOrder
	if ordered {
		found = slices.DeleteFunc(found, func(a libs.Algorithm) bool { return !a.Deterministic })
	}
	all = t.legacyAlgorithms(conv, found)
	plans, err := t.plans(conv, ordered)
	for _, p := range plans {
		all = append(all, p)
	}
	if err == nil && (len(all) == 0 || t.task.conv.Src.C < fewChannels) {
		var own algorithm
		own, err = t.patches()
		all = append(all, own)
	}
	return all, err
}

// patches is our own algorithm.
func (t *trial) patches() (algorithm, error) {
	p := newPatches(t.task)
	return p, t.enlarge(p.workspaceBytes())
}

// legacyAlgorithms are those of cuDNN's older calls.
func (t *trial) legacyAlgorithms(conv *libs.Conv, found []libs.Algorithm) (all []algorithm) {
	for i, a := range found {
		legacy := legacyAlgorithm{conv, t.task.pass, t.task.accumulate, a}
		if i < mostAlgorithms {
			all = append(all, legacy)
		}
		if i < mostFused && t.task.biasAlone() {
			all = append(all, fused{legacy})
		}
	}
	return all
}

// plans are the algorithms of the graph interface, as far as there are any: those that do what follows the convolution,
// too, come first.
func (t *trial) plans(conv *libs.Conv, steady bool) (all []plan, err error) {
	if t.device.opts.LegacyConvolutions {
		return nil, nil
	}
	for _, op := range t.task.operations() {
		built, err := conv.Plans(op, steady, t.workBytes, mostPlans)
		for _, p := range built {
			all = append(all, plan{p, op})
		}
		if err != nil && !refused(err) { // cuDNN has no such interface, or none of its engines can
			return all, err
		}
	}
	return all, nil
}

// operations are what the graph interface may be asked to do of a task.
func (t convTask) operations() []libs.Operation {
	alone := libs.Operation{Pass: t.pass, Accumulate: t.accumulate}
	if !t.together() {
		return []libs.Operation{alone}
	}
	whole := alone
	whole.Bias, whole.ReLU = t.after.bias, t.after.relu
	return []libs.Operation{whole, alone}
}

// refused says that a library declined to do something.
func refused(err error) bool {
	var e *libs.Error
	return errors.Is(err, libs.ErrNotSupported) || errors.As(err, &e)
}

// fastest times the algorithms that compute what is expected. One that cuDNN refuses to run is passed over: not every
// algorithm can add a bias. There is none where it refuses all of them.
func (t *trial) fastest(algorithms []algorithm) (best algorithm, err error) {
	var least float64
	var wrong []algorithm
	for _, a := range algorithms {
		correct, err := t.verify(a)
		if err == nil && !correct {
			wrong = append(wrong, a)
			continue
		}
		var took float64
		if err == nil {
			took, err = t.device.measure(t.run, least)
		}
		if refused(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if best == nil || took < least {
			least, best = took, a
		}
	}
	if best == nil && len(wrong) > 0 {
		return nil, fmt.Errorf("the convolution %v comes out wrong by every algorithm that there is for it: %v", t.task, wrong)
	}
	return best, nil
}

// take makes an algorithm, with the bias and ReLU behind it, what run queues.
func (t *trial) take(a algorithm) error {
	e := &t.device.tried
	e.reset()
	a.emit(e, "cudnn", t.at)
	if after := t.task.after; !a.fuses() && t.task.pass == libs.PassForward && (after.bias || after.relu) {
		bias := t.at.bias
		if !after.bias {
			bias = 0
		}
		e.biasAct(t.task.conv.Dst, t.task.half, t.at.out, t.at.out, bias, after.relu)
	}
	return e.err
}

// run queues the algorithm that was taken.
func (t *trial) run() error {
	for _, a := range t.device.tried.actions {
		if err := a.run(); err != nil {
			return err
		}
	}
	return nil
}
