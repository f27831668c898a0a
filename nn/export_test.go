package nn

import (
	"gorgonia.org/gorgonia"

	"ringloom/nn/op"
)

// Graph is the differentiated graph of a step, for Gorgonia's tape machine.
type Graph struct {
	*gorgonia.ExprGraph
	Input, Labels, Scale, Loss, Logits *gorgonia.Node
	Params, Grads                      gorgonia.Nodes
}

// NewGraph builds a step's graph, with a kernel of the device for each operation.
func NewGraph(c Config, d op.Device) (*Graph, error) {
	n, err := newNetwork(c)
	if err != nil {
		return nil, err
	}
	if c.Training {
		if err := n.differentiate(); err != nil {
			return nil, err
		}
	}
	for _, node := range n.graph.AllNodes() {
		if k, ok := node.Op().(kernelNode); ok {
			if k.base().kernel, err = d.Compile(k.base().spec); err != nil {
				return nil, err
			}
		}
	}
	return &Graph{n.graph, n.input, n.labels, n.scale, n.loss, n.logits, n.nodes, n.grads}, nil
}
