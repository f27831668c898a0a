//go:build gpu && cgo

package cuda

import (
	"fmt"

	"ringloom/nn/cuda/libs"
)

// way is one way to compute a pass of a convolution.
type way interface {
	workspaceBytes() int64
	// run queues it.
	run(at addresses) error
	close() error
	fmt.Stringer
}

// addresses are what a way reads and writes: in1 and in2 in the order of libs.Pass, and the bias, for a way that adds one.
type addresses struct{ in1, in2, bias, out, workspace uintptr }

// algorithm is a way of cuDNN's legacy interface.
type algorithm struct {
	conv       *libs.Conv
	pass       libs.Pass
	accumulate bool
	libs.Algorithm
}

func (a algorithm) workspaceBytes() int64 { return a.WorkspaceBytes }

func (a algorithm) run(at addresses) error {
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

func (a algorithm) close() error   { return a.conv.Close() }
func (a algorithm) String() string { return fmt.Sprintf("algorithm %d", a.ID) }

// fused is an algorithm that adds the bias, and does the ReLU, in the same call.
type fused struct {
	algorithm
	relu bool
}

func (f fused) run(at addresses) error {
	return f.conv.ForwardBias(f.Algorithm, at.in1, at.in2, at.bias, at.out, at.workspace, f.WorkspaceBytes, f.relu)
}

func (f fused) String() string { return fmt.Sprintf("algorithm %d with bias", f.ID) }

// plan is a way of cuDNN's graph interface, which alone has the engines that were written for newer GPUs.
type plan struct{ *libs.Plan }

func (p plan) workspaceBytes() int64 { return p.WorkspaceBytes }

func (p plan) run(at addresses) error { return p.Run(at.in1, at.in2, 0, at.out, at.workspace) }

func (p plan) close() error   { return p.Close() }
func (p plan) String() string { return fmt.Sprintf("engine %d", p.Engine) }
