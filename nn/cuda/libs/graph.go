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

// Operation is what is done with a convolution's shape.
type Operation struct {
	Pass       Pass
	Accumulate bool // add to what the output holds
	// Behind the forward pass, and not with Accumulate: the bias, OutC elements of float32 whatever the shape's type,
	// is added to the float32 sums, and the larger of that and zero is taken, which keeps NaN. Only then is it rounded
	// to the shape's type.
	Bias, ReLU bool
}

func (o Operation) validate() error {
	switch fused := o.Bias || o.ReLU; {
	case o.Pass < PassForward || o.Pass > PassBackwardWeights:
		return fmt.Errorf("libs: a convolution has no pass %d", o.Pass)
	case fused && o.Pass != PassForward:
		return errors.New("libs: a bias or ReLU behind a convolution's backward pass")
	case fused && o.Accumulate:
		return errors.New("libs: a bias or ReLU behind a convolution that adds to what its output holds")
	}
	return nil
}

// Plan does an operation by cuDNN's graph API, which has engines that Forward, BackwardData and BackwardWeights cannot
// reach: the newer GPUs' kernels are added there only.
type Plan struct {
	Engine         int64 // cuDNN's number of the engine
	Config         int   // the place of the engine, with a choice of its knobs, among all that the heuristics propose for the operation
	WorkspaceBytes int64
	Deterministic  bool // the same bits from run to run
	plan           *C.rl_plan
	graph          *planGraph
}

// planGraph is an operation as cuDNN has been told of it, with what its heuristics propose. Plans share it; the last
// hold that is released destroys it.
type planGraph struct {
	shape ConvShape
	graph *C.rl_graph
	bias  bool
	holds int
}

func (c *Conv) openGraph(op Operation) (*planGraph, error) {
	if err := op.validate(); err != nil {
		return nil, err
	}
	if err := graphAPI(); err != nil {
		return nil, err
	}
	shape := c.shape.describe()
	described := C.rl_operation{pass: C.int(op.Pass), accumulate: flag(op.Accumulate), bias: flag(op.Bias), relu: flag(op.ReLU)}
	g := &planGraph{shape: c.shape, bias: op.Bias, holds: 1}
	if err := failure(cuDNN, C.rl_graph_open(c.dnn.handle, &shape, &described, &g.graph)); err != nil {
		return nil, err
	}
	return g, nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (g *planGraph) release() error {
	if g.holds--; g.holds > 0 {
		return nil
	}
	return failure(cuDNN, C.rl_graph_close(g.graph))
}

func (g *planGraph) configs() int { return int(C.rl_graph_configs(g.graph)) }

// at is the plan of a configuration before it is built. It says whether the engine keeps the shape's precision.
func (g *planGraph) at(config int) (p *Plan, precise bool, err error) {
	var known C.rl_config
	if err := failure(cuDNN, C.rl_graph_config(g.graph, C.int(config), &known)); err != nil {
		return nil, false, err
	}
	p = &Plan{Engine: int64(known.engine), Config: config, Deterministic: known.notes&(1<<C.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) == 0}
	return p, g.shape.allows(uint(known.notes)), nil
}

// build makes cuDNN's plan, which can compile kernels.
func (g *planGraph) build(p *Plan) error {
	var bytes C.int64_t
	if err := failure(cuDNN, C.rl_plan_open(g.graph, C.int(p.Config), &p.plan, &bytes)); err != nil {
		return err
	}
	p.WorkspaceBytes, p.graph = int64(bytes), g
	g.holds++
	return nil
}

// Plans builds up to most plans for an operation, in the order that cuDNN's heuristics prefer (mode A, then the
// fallback list), with at most workspaceBytes each, and if steady is set only deterministic ones. The list may be
// empty; times are for the caller to measure. Building can compile kernels, which takes seconds. The error matches
// ErrNotSupported where cuDNN has no such API (before 8.3). The plans keep no reference to the Conv, but must be closed
// before the DNN.
func (c *Conv) Plans(op Operation, steady bool, workspaceBytes int64, most int) ([]*Plan, error) {
	graph, err := c.openGraph(op)
	if err != nil {
		return nil, err
	}
	plans, err := graph.plans(steady, workspaceBytes, most)
	if err = errors.Join(err, graph.release()); err != nil {
		for _, p := range plans {
			err = errors.Join(err, p.Close())
		}
		return nil, err
	}
	return plans, nil
}

// plans makes the plans. A configuration that cuDNN then cannot make a plan of is passed over, as heuristics propose
// without having tried; if nothing else is left, its error is returned.
func (g *planGraph) plans(steady bool, workspaceBytes int64, most int) (plans []*Plan, err error) {
	var refused error
	for i := 0; i < g.configs() && len(plans) < most; i++ {
		p, precise, err := g.at(i)
		if err != nil {
			return plans, err
		}
		if !precise || steady && !p.Deterministic {
			continue
		}
		if err := g.build(p); err != nil {
			refused = err
			continue
		}
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

// Plan builds one plan of Plans again, perhaps in a later process, without building the others: that of a configuration
// of an engine. Both are asked for because an engine may be proposed several times, with other knobs, and because
// another version of cuDNN or another GPU proposes others. The error matches ErrNotSupported where at that place there
// is not that engine, or one that cuDNN cannot build, or one that does not keep the shape's precision.
func (c *Conv) Plan(op Operation, engine int64, config int) (*Plan, error) {
	graph, err := c.openGraph(op)
	if err != nil {
		return nil, err
	}
	p, err := graph.plan(engine, config)
	if releaseErr := graph.release(); releaseErr != nil {
		if p != nil {
			releaseErr = errors.Join(releaseErr, p.Close())
		}
		return nil, errors.Join(err, releaseErr)
	}
	return p, err
}

func (g *planGraph) plan(engine int64, config int) (*Plan, error) {
	if n := g.configs(); config < 0 || config >= n {
		return nil, fmt.Errorf("libs: cuDNN proposes %d configurations, and none at %d: %w", n, config, ErrNotSupported)
	}
	p, precise, err := g.at(config)
	switch {
	case err != nil:
		return nil, err
	case p.Engine != engine:
		return nil, fmt.Errorf("libs: configuration %d is of cuDNN's engine %d, not %d: %w", config, p.Engine, engine, ErrNotSupported)
	case !precise:
		return nil, fmt.Errorf("libs: cuDNN's engine %d is less precise than the convolution: %w", engine, ErrNotSupported)
	}
	if err := g.build(p); err != nil {
		return nil, fmt.Errorf("libs: configuration %d of cuDNN's engine %d is %w: %w", config, engine, ErrNotSupported, err)
	}
	return p, nil
}

// allows says whether an engine with these numerical notes (bits by cudnnBackendNumericalNote_t) keeps the shape's
// precision. Inputs are never rounded to a smaller type in memory and sums are always float32; float32 on tensor cores
// is TF32.
func (s ConvShape) allows(notes uint) bool {
	has := func(note int) bool { return notes&(1<<note) != 0 }
	if has(C.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) || has(C.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) {
		return false
	}
	if s.AsDefined && (has(C.CUDNN_NUMERICAL_NOTE_FFT) || has(C.CUDNN_NUMERICAL_NOTE_WINOGRAD)) {
		return false
	}
	return !(s.Type == F32 && s.Compute == Strict && has(C.CUDNN_NUMERICAL_NOTE_TENSOR_CORE))
}

// Run enqueues the operation: in1 and in2 are what its pass reads, in the order of Pass, and bias is 0 where it has
// none. All addresses must be multiples of 16. It allocates nothing on the Go heap, and inside cuDNN only when an
// address differs from the last run's.
func (p *Plan) Run(in1, in2, bias, out, workspace uintptr) error {
	if (in1|in2|bias|out|workspace)&15 != 0 {
		return errMisaligned
	}
	if (bias != 0) != p.graph.bias {
		return errBias
	}
	return failure(cuDNN, C.rl_plan_run(p.plan, C.uintptr_t(in1), C.uintptr_t(in2), C.uintptr_t(bias), C.uintptr_t(out),
		C.uintptr_t(workspace)))
}

var (
	errMisaligned = errors.New("libs: an address of a plan's data is not a multiple of 16")
	errBias       = errors.New("libs: a plan is run with a bias that its operation has not, or without the one that it has")
)

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
