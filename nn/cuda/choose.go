//go:build gpu && cgo

package cuda

import (
	"errors"
	"fmt"
	"slices"

	"ringloom/nn"
	"ringloom/nn/cuda/kernels"
	"ringloom/nn/cuda/libs"
)

// convTask is what a way is chosen for: one of the three computations of a convolution.
type convTask struct {
	pass       libs.Pass
	conv       nn.Conv
	half       bool
	accumulate bool // the result is added to what is there
	after      epilogue
}

// epilogue is what follows a forward convolution's sums.
type epilogue struct {
	bias, relu bool
	apart      bool // it cannot be done in one call with the convolution
}

// How many ways of each kind are timed for a convolution. cuDNN's own search times each algorithm once, which may include the
// loading of its kernel. Building a plan may compile one, which takes seconds.
const (
	mostAlgorithms = 3
	mostFused      = 4
	mostPlans      = 6
)

// choose tries the ways to compute a convolution once, on memory of no meaning, and remembers the fastest of those that give the
// same bits each time.
func (d *Device) choose(task convTask) (way, error) {
	task.conv.Dst.Pitch, task.conv.NoBias = 0, false
	if found, ok := d.choices[task]; ok {
		return found, nil
	}
	conv, err := d.dnn.NewConv(d.convShape(task.conv, task.half))
	if err != nil {
		return nil, err
	}
	best, err := d.try(conv, task)
	won, isPlan := best.(plan)
	_, isWidened := best.(widened)
	if isPlan || isWidened || err != nil { // these do without the descriptors
		err = errors.Join(err, conv.Close())
	}
	if isPlan && err != nil {
		err = errors.Join(err, won.close())
	}
	if err != nil {
		return nil, err
	}
	d.choices[task] = best
	return best, nil
}

// try finds the fastest way. A plan that is not returned is closed.
func (d *Device) try(conv *libs.Conv, task convTask) (best way, err error) {
	t, err := d.newTrial(task)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	found, err := t.find(conv)
	if err != nil {
		return nil, err
	}
	reference, err := t.reference(conv, found)
	if err != nil {
		return nil, err
	}
	plans, err := d.plans(conv, t, found)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range plans {
			if best != way(plan{p}) {
				err = errors.Join(err, p.Close())
			}
		}
	}()
	ways, err := t.candidates(reference, found, plans)
	if err != nil {
		return nil, err
	}
	if len(ways) == 1 {
		return ways[0], nil
	}
	return t.fastest(ways)
}

// plans are the ways of the graph interface, as far as there are any. Where an algorithm always gives the same bits, so must they.
func (d *Device) plans(conv *libs.Conv, t *trial, found []libs.Algorithm) ([]*libs.Plan, error) {
	if d.opts.LegacyConvolutions {
		return nil, nil
	}
	steady := len(found) == 0 || slices.ContainsFunc(found, algorithmIsSteady)
	plans, err := conv.Plans(libs.Operation{Pass: t.task.pass, Accumulate: t.task.accumulate}, steady, t.workBytes, mostPlans)
	if errors.Is(err, libs.ErrNotSupported) || refused(err) { // cuDNN has no such interface, or none of its engines can
		return nil, nil
	}
	return plans, err
}

// refused says that a library declined to do something.
func refused(err error) bool {
	var e *libs.Error
	return errors.As(err, &e)
}

func algorithmIsSteady(a libs.Algorithm) bool { return a.Deterministic }
func planIsSteady(p *libs.Plan) bool          { return p.Deterministic }

// reference is the way whose result is believed: the fastest algorithm or, where there is none for bfloat16, float32's.
func (t *trial) reference(conv *libs.Conv, found []libs.Algorithm) (way, error) {
	if len(found) > 0 {
		return algorithm{conv, t.task.pass, t.task.accumulate, found[0]}, nil
	}
	if !t.task.half {
		return nil, fmt.Errorf("cuDNN has no way to compute the convolution %v in %s of memory", t.task.conv, size(t.workBytes))
	}
	w, err := t.device.widen(t.task)
	if err != nil {
		return nil, err
	}
	return w, t.enlarge(w.workspaceBytes())
}

// candidates are the ways to be timed: algorithms first, then what may be faster. All of them give the same bits each time, if
// any way does, and no plan is among them whose result is not that of the reference.
func (t *trial) candidates(reference way, found []libs.Algorithm, plans []*libs.Plan) ([]way, error) {
	right, err := t.agreeing(reference, plans)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(found, algorithmIsSteady) || slices.ContainsFunc(right, planIsSteady) {
		found = slices.DeleteFunc(slices.Clone(found), func(a libs.Algorithm) bool { return !a.Deterministic })
		right = slices.DeleteFunc(right, func(p *libs.Plan) bool { return !p.Deterministic })
	}
	var ways []way
	if _, ok := reference.(widened); ok {
		ways = append(ways, reference)
	}
	for i, a := range found {
		legacy := reference.(algorithm)
		legacy.Algorithm = a
		if i < mostAlgorithms {
			ways = append(ways, legacy)
		}
		if after := t.task.after; i < mostFused && t.task.pass == libs.PassForward && after.bias && !after.apart && !t.task.half {
			ways = append(ways, fused{legacy, after.relu})
		}
	}
	for _, p := range right {
		ways = append(ways, plan{p})
	}
	return ways, nil
}

// fastest times ways with what has to follow them. One that cuDNN refuses to run is passed over: not every algorithm can add a bias.
func (t *trial) fastest(ways []way) (best way, err error) {
	least := 0.0
	for _, w := range ways {
		took, err := t.device.measure(func() error { return t.runWhole(w) })
		if errors.Is(err, libs.ErrNotSupported) || refused(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if best == nil || took < least {
			least, best = took, w
		}
	}
	if best == nil {
		return nil, fmt.Errorf("cuDNN refuses to run every way that it has to compute the convolution %v", t.task.conv)
	}
	return best, nil
}

// runWhole is a way with the bias and ReLU behind it.
func (t *trial) runWhole(w way) error {
	if err := w.run(t.at); err != nil {
		return err
	}
	after := t.task.after
	if _, ok := w.(fused); ok || t.task.pass != libs.PassForward || !after.bias && !after.relu {
		return nil
	}
	y := t.task.conv.Dst
	return t.device.launchNow("bias_act"+suffix(t.task.half), kernels.Channels(pixels(y), y.C, t.device.info.Multiprocessors),
		t.at.out, int32(y.C), t.at.out, t.at.bias, pixels(y), int32(y.C), flag(after.relu))
}

// measuredRuns is how often a way is timed. The emulator's clock always says the same.
var measuredRuns = 5

// measure is the least time in milliseconds of a few runs, after one that is not counted.
func (d *Device) measure(run func() error) (float64, error) {
	least := 0.0
	for i := range measuredRuns + 1 {
		begin, err := d.Mark()
		if err == nil {
			err = run()
		}
		if err != nil {
			return 0, err
		}
		end, err := d.Mark()
		if err != nil {
			return 0, err
		}
		took, err := end.Since(begin)
		if err != nil {
			return 0, err
		}
		if ms := took.Seconds() * 1e3; i == 1 || i > 1 && ms < least {
			least = ms
		}
	}
	return least, nil
}
