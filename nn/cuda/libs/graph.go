//go:build gpu && cgo

package libs

/*
#cgo noescape rl_plan_run
#cgo nocallback rl_plan_run
#include "graph.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
)

// Pass is one of a convolution's three computations.
type Pass int

const (
	PassForward         Pass = iota // reads x and w, writes y
	PassBackwardData                // reads w and dy, writes dx
	PassBackwardWeights             // reads x and dy, writes dw
)

// Plan is a way to do one pass of a convolution by cuDNN's graph API, which has engines that Forward, BackwardData and
// BackwardWeights cannot reach: the newer GPUs' kernels are added there only.
type Plan struct {
	Engine         int64 // cuDNN's number of the engine
	WorkspaceBytes int64
	Deterministic  bool // the same bits from run to run
	plan           *C.rl_plan
	graph          *planGraph
}

// planGraph is what the plans of one Plans call share; the last that is closed destroys it.
type planGraph struct {
	graph *C.rl_graph
	plans int
}

func (g *planGraph) release() error {
	if g.plans--; g.plans > 0 {
		return nil
	}
	return failure(cuDNN, C.rl_graph_close(g.graph))
}

// Plans builds up to most plans for a pass, in the order that cuDNN's heuristics prefer (mode A, then the fallback list), with
// at most workspaceBytes each, and if steady is set only deterministic ones. With accumulate they add to what the output holds.
// The list may be empty; times are for the caller to measure. Building can compile kernels, which takes seconds. The error matches ErrNotSupported where cuDNN has no
// such API (before 8.3). The plans keep no reference to the Conv, but must be closed before the DNN.
func (c *Conv) Plans(pass Pass, accumulate, steady bool, workspaceBytes int64, most int) ([]*Plan, error) {
	if err := graphAPI(); err != nil {
		return nil, err
	}
	var beta C.float
	if accumulate {
		beta = 1
	}
	shape := c.shape.describe()
	graph := &planGraph{plans: 1} // this function's own hold
	if err := failure(cuDNN, C.rl_graph_open(c.dnn.handle, &shape, C.int(pass), beta, &graph.graph)); err != nil {
		return nil, err
	}
	plans, err := c.build(graph, steady, workspaceBytes, most)
	if err = errors.Join(err, graph.release()); err != nil {
		for _, p := range plans {
			err = errors.Join(err, p.Close())
		}
		return nil, err
	}
	return plans, nil
}

// build makes the plans. A configuration that cuDNN then cannot make a plan of is passed over, as heuristics propose
// without having tried; if nothing else is left, its error is returned.
func (c *Conv) build(graph *planGraph, steady bool, workspaceBytes int64, most int) (plans []*Plan, err error) {
	var refused error
	for i := C.int(0); i < C.rl_graph_configs(graph.graph) && len(plans) < most; i++ {
		var config C.rl_config
		if err := failure(cuDNN, C.rl_graph_config(graph.graph, i, &config)); err != nil {
			return plans, err
		}
		p := &Plan{Engine: int64(config.engine), Deterministic: config.notes&(1<<C.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) == 0}
		if !c.shape.allows(uint(config.notes)) || steady && !p.Deterministic {
			continue
		}
		var bytes C.int64_t
		if err := failure(cuDNN, C.rl_plan_open(graph.graph, i, &p.plan, &bytes)); err != nil {
			refused = err
			continue
		}
		p.WorkspaceBytes = int64(bytes)
		graph.plans++
		p.graph = graph
		if p.WorkspaceBytes > workspaceBytes {
			if err := p.Close(); err != nil {
				return plans, err
			}
			continue
		}
		plans = append(plans, p)
	}
	if len(plans) == 0 {
		return nil, refused
	}
	return plans, nil
}

// allows says whether an engine with these numerical notes (bits by cudnnBackendNumericalNote_t) keeps the shape's
// precision. Inputs are never rounded to a smaller type in memory and sums are always float32; float32 on tensor cores is TF32.
func (s ConvShape) allows(notes uint) bool {
	has := func(note int) bool { return notes&(1<<note) != 0 }
	if has(C.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) || has(C.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) {
		return false
	}
	return !(s.Type == F32 && s.Compute == Strict && has(C.CUDNN_NUMERICAL_NOTE_TENSOR_CORE))
}

// Run enqueues the pass: in1 and in2 are what it reads, in the order of Pass. All addresses must be multiples of 16. It
// allocates nothing on the Go heap, and inside cuDNN only when an address differs from the last run's.
func (p *Plan) Run(in1, in2, out, workspace uintptr) error {
	if (in1|in2|out|workspace)&15 != 0 {
		return errMisaligned
	}
	return failure(cuDNN, C.rl_plan_run(p.plan, C.uintptr_t(in1), C.uintptr_t(in2), C.uintptr_t(out), C.uintptr_t(workspace)))
}

var errMisaligned = errors.New("libs: an address of a plan's data is not a multiple of 16")

// Close destroys the plan.
func (p *Plan) Close() error {
	return errors.Join(failure(cuDNN, C.rl_plan_close(p.plan)), p.graph.release())
}

// graphAPI finds the functions in cuDNN, which OpenDNN has loaded. Mode A of the heuristics came with 8.3.
var graphAPI = sync.OnceValue(func() error {
	if v := dnnVersion(); v < 8300 {
		return fmt.Errorf("libs: cuDNN %s has no graph API that can be used: %w", dnnVersionText(v), ErrNotSupported)
	}
	if missing := C.rl_resolve_graph(cudnn.handle); missing != nil {
		return fmt.Errorf("libs: %s has no function %s: %w", cudnn.loaded.Path, C.GoString(missing), ErrNotSupported)
	}
	return nil
})
