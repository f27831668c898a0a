//go:build gpu && cgo

package driver

/*
#cgo noescape cuGraphLaunch
#cgo nocallback cuGraphLaunch
#include "cuda.h"
*/
import "C"

import "errors"

// Graph is work that was captured from a stream, and can be run again and again with the same arguments and memory.
type Graph struct {
	graph C.CUgraph
	exec  C.CUgraphExec
	nodes int
}

// BeginCapture makes the stream note the work that it is given, instead of doing it, until EndCapture. Calls of this
// thread that the stream's work would have to end for (allocation, synchronisation) fail meanwhile and spoil the
// capture; other threads may go on.
func (s *Stream) BeginCapture() error {
	return checkResult("cuStreamBeginCapture", C.cuStreamBeginCapture(s.c(), C.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
}

// EndCapture returns what was captured, ready to run. Streams that joined the capture by Wait must have been joined
// back. Where it fails, the stream does its work again, but after a spoilt capture nothing of it is left.
func (s *Stream) EndCapture() (*Graph, error) {
	g := &Graph{}
	if err := checkResult("cuStreamEndCapture", C.cuStreamEndCapture(s.c(), &g.graph)); err != nil {
		return nil, err
	}
	var nodes C.size_t
	err := checkResult("cuGraphGetNodes", C.cuGraphGetNodes(g.graph, nil, &nodes))
	if err == nil {
		err = checkResult("cuGraphInstantiateWithFlags", C.cuGraphInstantiateWithFlags(&g.exec, g.graph, 0))
	}
	if err != nil {
		return nil, errors.Join(err, g.Destroy())
	}
	g.nodes = int(nodes)
	return g, nil
}

// Launch runs the graph after the work that the stream has been given so far.
func (g *Graph) Launch(s *Stream) error {
	return checkResult("cuGraphLaunch", C.cuGraphLaunch(g.exec, s.c()))
}

// Nodes is how many kernels, copies, fills and events were captured.
func (g *Graph) Nodes() int { return g.nodes }

// Destroy gives the graph back; a run that has not ended still ends.
func (g *Graph) Destroy() error {
	var errs []error
	if g.exec != nil {
		errs = append(errs, checkResult("cuGraphExecDestroy", C.cuGraphExecDestroy(g.exec)))
	}
	if g.graph != nil {
		errs = append(errs, checkResult("cuGraphDestroy", C.cuGraphDestroy(g.graph)))
	}
	g.exec, g.graph = nil, nil
	return errors.Join(errs...)
}
