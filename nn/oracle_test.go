package nn_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/nn/nntest"
	"ringloom/nn/purego"
)

// Gorgonia's tape machine runs the graph with memory of its own for every value and in an order of its own. Planned,
// shared memory must not change a bit.
func TestProgramEqualsTheTapeMachine(t *testing.T) {
	for _, training := range []bool{true, false} {
		p, params := program(t, 5, training)
		if err := p.CompileGraph(purego.New()); err != nil {
			t.Fatal(err)
		}
		nntest.FillGolden(params, 3)
		fill(p)
		g, input, labels, scale, lossNode, logits, nodes, grads := p.Graph()
		pixels, classes := p.Input()
		let(t, input, pixels)
		let(t, labels, classes)
		let(t, scale, []float32{1.0 / 5})
		for i, n := range nodes {
			let(t, n, params.Value(i).Host)
		}

		vm := gorgonia.NewTapeMachine(g)
		defer vm.Close()
		for range 2 { // the second run finds the memory as the first left it
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			stats, err := p.Forward()
			if err != nil {
				t.Fatal(err)
			}
			if want := lossNode.Value().(*gorgonia.F32); float32(stats.Loss) != float32(*want) {
				t.Errorf("loss %v, the tape machine has %v", stats.Loss, *want)
			}
			same(t, "logits", logitsOf(t, p), logits)
			if training {
				if err := p.Backward(nil); err != nil {
					t.Fatal(err)
				}
			}
			for i, n := range grads {
				same(t, params.List[i].Name, params.Grad(i).Host, n)
			}
			vm.Reset()
		}
	}
}

func let(t *testing.T, n *gorgonia.Node, data []float32) {
	t.Helper()
	v := tensor.New(tensor.WithShape(n.Shape().Clone()...), tensor.WithBacking(slices.Clone(data)))
	if err := gorgonia.Let(n, v); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, got []float32, n *gorgonia.Node) {
	t.Helper()
	want := n.Value().Data().([]float32)
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s[%d] = %v, the tape machine has %v", what, i, got[i], want[i])
		}
	}
}
