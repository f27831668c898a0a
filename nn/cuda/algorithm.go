//go:build gpu && cgo

package cuda

import (
	"fmt"

	"ringloom/nn/cuda/libs"
)

// algorithm computes a task of a convolution. Algorithms are compared with ==.
type algorithm interface {
	workspaceBytes() int64
	// emit gives the emitter what is to be queued. A call of cuDNN's has the name in traces.
	emit(e *emitter, name string, at addresses)
	// fuses says that it does the task's epilogue too.
	fuses() bool
	// name is what recall makes it of again.
	name() string
	close() error
	fmt.Stringer
}

// addresses are what an algorithm reads and writes: in1 and in2 in the order of libs.Pass, and the bias, for one that
// adds it.
type addresses struct{ in1, in2, bias, out, workspace uintptr }

// legacyAlgorithm is one of cuDNN's legacy interface.
type legacyAlgorithm struct {
	conv       *libs.Conv
	pass       libs.Pass
	accumulate bool
	libs.Algorithm
}

func (a legacyAlgorithm) workspaceBytes() int64 { return a.WorkspaceBytes }

func (a legacyAlgorithm) emit(e *emitter, name string, at addresses) {
	e.do(fmt.Sprintf("%s, %v", name, a), func() error { return a.run(at) })
}

func (a legacyAlgorithm) run(at addresses) error {
	beta := float32(flag(a.accumulate))
	switch a.pass {
	case libs.PassForward:
		return a.conv.Forward(a.Algorithm, at.in1, at.in2, at.out, at.workspace, a.WorkspaceBytes, beta)
	case libs.PassBackwardData:
		return a.conv.BackwardData(a.Algorithm, at.in1, at.in2, at.out, at.workspace, a.WorkspaceBytes, beta)
	default:
		return a.conv.BackwardWeights(a.Algorithm, at.in1, at.in2, at.out, at.workspace, a.WorkspaceBytes, beta)
	}
}

func (a legacyAlgorithm) fuses() bool    { return false }
func (a legacyAlgorithm) close() error   { return nil } // the device has the descriptors
func (a legacyAlgorithm) String() string { return fmt.Sprintf("algorithm %d", a.ID) }

// fused is an algorithm that adds the bias in the same call. cuDNN's ReLU there would make 0 of NaN.
type fused struct{ legacyAlgorithm }

func (f fused) emit(e *emitter, name string, at addresses) {
	e.do(fmt.Sprintf("%s, %v", name, f), func() error {
		return f.conv.ForwardBias(f.Algorithm, at.in1, at.in2, at.bias, at.out, at.workspace, f.WorkspaceBytes)
	})
}

func (f fused) fuses() bool    { return true }
func (f fused) String() string { return fmt.Sprintf("algorithm %d with bias", f.ID) }

// plan is an algorithm of cuDNN's graph interface, which alone has the engines that were written for newer GPUs.
type plan struct {
	*libs.Plan
	op libs.Operation
}

func (p plan) workspaceBytes() int64 { return p.WorkspaceBytes }

func (p plan) emit(e *emitter, name string, at addresses) {
	if !p.op.Bias {
		at.bias = 0
	}
	e.do(fmt.Sprintf("%s, %v", name, p), func() error { return p.Run(at.in1, at.in2, at.bias, at.out, at.workspace) })
}

func (p plan) fuses() bool  { return p.op.Bias || p.op.ReLU }
func (p plan) close() error { return p.Close() }

func (p plan) String() string {
	with := ""
	if p.op.Bias {
		with = " with bias"
	} else if p.op.ReLU {
		with = " with relu"
	}
	return fmt.Sprintf("engine %d%s", p.Engine, with)
}
