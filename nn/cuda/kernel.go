//go:build gpu && cgo

package cuda

import (
	"fmt"
	"slices"

	"ringloom/nn/cuda/kernels"
	"ringloom/nn/op"
)

// operation computes one spec.
type operation interface {
	// needs says which scratch memory it takes on these operands. It may try out algorithms, and queue work.
	needs(d *Device, o operands) (needs, error)
	// emit gives the emitter what is to be queued, each time that it runs on these operands.
	emit(e *emitter, o operands) error
}

// simple is an operation that needs no scratch memory and tries nothing out.
type simple func(e *emitter, o operands)

func (simple) needs(*Device, operands) (needs, error) { return needs{}, nil }
func (s simple) emit(e *emitter, o operands) error    { s(e, o); return nil }

// action is one thing to queue.
type action struct {
	name string
	run  func() error
}

// emitter collects what an operation queues.
type emitter struct {
	device  *Device
	actions []action
	args    []arguments // of the launches, used again when the operands change
	used    int
	err     error
	// packed is set where a pass has packed the weights already, and gathered where the step before has left the dense
	// copy of its image with a pitch that this one wants.
	packed, gathered bool
}

// launch queues a kernel. It keeps the first error for later.
func (e *emitter) launch(name string, l kernels.Launch, values ...any) {
	if e.err != nil {
		return
	}
	f, err := e.device.functions.find(name)
	if err != nil {
		e.err = err
		return
	}
	if e.used == len(e.args) {
		memory, err := e.device.args.take(e.device)
		if err != nil {
			e.err = err
			return
		}
		e.args = append(e.args, arguments{memory: memory})
	}
	a := &e.args[e.used]
	e.used++
	a.set(values)
	stream, pointers := e.device.compute, a.pointers
	e.do(name, func() error { return stream.Launch(f, l.Grid, l.Block, 0, pointers) })
}

// do queues what a library does.
func (e *emitter) do(name string, run func() error) {
	e.actions = append(e.actions, action{name, run})
}

func (e *emitter) reset() { e.actions, e.used, e.err = e.actions[:0], 0, nil }

// scratch is the address of scratch memory.
func (e *emitter) scratch(use int) uintptr { return e.device.scratch[use].at }

// kernel is a compiled operation.
type kernel struct {
	device   *Device
	spec     op.Spec
	op       operation
	dst, src []op.Operand

	emitter emitter
	last    operands // that the emitter's actions are for
}

// Compile prepares one operation.
func (d *Device) Compile(spec op.Spec) (op.Kernel, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	k := &kernel{device: d, spec: spec, op: operationOf(spec), emitter: emitter{device: d}}
	if k.op == nil {
		return nil, fmt.Errorf("cuda: %T: %w", spec, op.ErrUnsupported)
	}
	k.dst, k.src = spec.Operands()
	return k, nil
}

// operationOf is how a spec is computed, or nil.
func operationOf(spec op.Spec) operation {
	switch s := spec.(type) {
	case op.ConvForward:
		return convForward{s}
	case op.ConvBackwardData:
		return convBackwardData{s}
	case op.ConvBackwardWeights:
		return convBackwardWeights{s}
	case op.LinearForward:
		return linearForward{s}
	case op.LinearBackwardData:
		return linearBackwardData{s}
	case op.LinearBackwardWeights:
		return linearBackwardWeights{s}
	case op.AvgPoolForward:
		return avgPoolForward(s)
	case op.AvgPoolBackward:
		return avgPoolBackward(s)
	case op.MaxPoolForward:
		return maxPoolForward(s)
	case op.MaxPoolBackward:
		return maxPoolBackward(s)
	case op.SigmoidForward:
		return sigmoidForward(s)
	case op.SigmoidBackward:
		return sigmoidBackward(s)
	case op.ReLUForward:
		return reluForward(s)
	case op.ReLUBackward:
		return reluBackward(s)
	case op.Add:
		return add(s)
	case op.Dropout:
		return dropout(s)
	case op.ChannelCopy:
		return channelCopy(s)
	case op.BatchNormMoments:
		return batchNormMoments{s}
	case op.BatchNormForward:
		return batchNormForward(s)
	case op.BatchNormInference:
		return batchNormInference(s)
	case op.BatchNormBackwardSums:
		return batchNormBackwardSums{s}
	case op.BatchNormBackward:
		return batchNormBackward(s)
	case op.SoftmaxCrossEntropyForward:
		return softmaxCrossEntropy(s)
	case op.AdamUpdate:
		return adamUpdate(s)
	case op.SGDUpdate:
		return sgdUpdate(s)
	case op.SumOfSquares:
		return sumOfSquares{s}
	}
	return nil
}

// Run queues the operation.
func (k *kernel) Run(dst, src []op.Buffer) error {
	d := k.device
	if err := d.enter(); err != nil {
		return err
	}
	if !k.last.same(dst, src) {
		k.last = operands{}
		o := operands{slices.Clone(dst), slices.Clone(src)}
		if err := k.check(o); err != nil {
			return err
		}
		n, err := k.op.needs(d, o)
		if err == nil {
			err = d.reserve(n)
		}
		if err == nil {
			k.emitter.reset()
			err = k.emit(&k.emitter, o)
		}
		if err != nil {
			return fmt.Errorf("%s %v: %w", k.spec.Kind(), k.spec, err)
		}
		k.last = o
	}
	return d.run(k.spec, k.emitter.actions)
}

func (k *kernel) emit(e *emitter, o operands) error {
	if err := k.op.emit(e, o); err != nil {
		return err
	}
	return e.err
}

// run queues actions, and has the time taken of each where the device is traced.
func (d *Device) run(spec op.Spec, actions []action) error {
	for _, a := range actions {
		if d.tracing != nil {
			if err := d.tracing.begin(d); err != nil {
				return err
			}
		}
		if err := a.run(); err != nil {
			return fmt.Errorf("%s %v: %s: %w", spec.Kind(), spec, a.name, err)
		}
		if d.tracing != nil {
			if err := d.tracing.end(d, spec, a.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// suffix is that of a kernel's name for a type of activations.
func suffix(half bool) string {
	if half {
		return "_bf16"
	}
	return "_f32"
}

func (d *Device) elementwise(n int) kernels.Launch {
	return kernels.Elementwise(int64(n), d.info.Multiprocessors)
}

// launchNow queues a kernel that is not part of a step.
func (d *Device) launchNow(name string, l kernels.Launch, values ...any) error {
	f, err := d.functions.find(name)
	if err != nil {
		return err
	}
	if d.single.memory == nil {
		memory, err := d.args.take(d)
		if err != nil {
			return err
		}
		d.single.memory = memory
	}
	d.single.set(values)
	return d.compute.Launch(f, l.Grid, l.Block, 0, d.single.pointers)
}
