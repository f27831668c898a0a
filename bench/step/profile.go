package step

import (
	"time"

	"ringloom/nn/op"
)

// profiler is a device that times the kernels that it compiles.
type profiler struct {
	op.Device
	kernels []*timedKernel
}

// timedKernel adds up its runs until the profiler's reset. Reading the clock twice takes some 100 ns per run.
type timedKernel struct {
	op.Kernel
	spec op.Spec
	runs int
	time time.Duration
}

// Compile is that of the device underneath.
func (p *profiler) Compile(spec op.Spec) (op.Kernel, error) {
	k, err := p.Device.Compile(spec)
	if err != nil {
		return nil, err
	}
	timed := &timedKernel{Kernel: k, spec: spec}
	p.kernels = append(p.kernels, timed)
	return timed, nil
}

// Run is that of the kernel underneath.
func (k *timedKernel) Run(dst, src []op.Buffer) error {
	begin := time.Now()
	err := k.Kernel.Run(dst, src)
	k.time += time.Since(begin)
	k.runs++
	return err
}

// reset begins a step.
func (p *profiler) reset() {
	for _, k := range p.kernels {
		k.runs, k.time = 0, 0
	}
}

// ops appends what has run since reset to dst, in the order of compilation.
func (p *profiler) ops(dst []Op) []Op {
	for _, k := range p.kernels {
		if k.runs > 0 {
			dst = append(dst, Op{
				Kind: k.spec.Kind(), Geometry: k.spec.String(), Count: k.runs,
				Seconds: k.time.Seconds(), FLOPs: int64(k.runs) * op.FLOPs(k.spec),
			})
		}
	}
	return dst
}
