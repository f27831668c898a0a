package nn_test

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"ringloom/models/modelstest"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/purego"
)

// small has every kind of layer that Gorgonia's machines can run, a pooling and a sigmoid before the first parameter,
// and a convolution whose input's gradient nobody needs.
func small(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.Sigmoid(b.AvgPool(x, 2, nn.Stride(1)))
	x = b.Sigmoid(b.Conv2D(x, 3, 3, nn.PadHW(1, 0), nn.StrideHW(1, 2)))
	x = b.AvgPool(b.Conv2D(x, 4, 2, nn.KernelHW(3, 2)), 2)
	x = b.Sigmoid(b.Linear(x, 7))
	return b.Linear(x, 5)
}

// Gorgonia's tape machine runs the graph with memory of its own for every value and in an order of its own. Lowering,
// fusion and planned, shared memory must not change a bit.
func TestProgramEqualsTheTapeMachine(t *testing.T) {
	d := purego.New()
	defer d.Close()
	const batch = 5
	for _, training := range []bool{true, false} {
		params, err := nn.NewParams(d, side, small)
		if err != nil {
			t.Fatal(err)
		}
		modelstest.FillGolden(params, 3)
		p, err := exec.Compile(exec.Config{
			Device: d, Params: params, Batch: batch, Side: side, Build: small, Training: training,
		})
		if err != nil {
			t.Fatal(err)
		}
		pixels, classes := p.Input()
		for i := range pixels {
			pixels[i] = float32(i*i%97) / 97
		}
		for i := range classes {
			classes[i] = float32(i % p.Classes())
		}
		g, err := nn.NewGraph(nn.Config{Build: small, Batch: batch, Side: side, Training: training}, d)
		if err != nil {
			t.Fatal(err)
		}
		let(t, g.Input, pixels)
		let(t, g.Labels, classes)
		let(t, g.Scale, []float32{1.0 / batch})
		for i, n := range g.Params {
			let(t, n, params.Value(i).Host)
		}

		vm := gorgonia.NewTapeMachine(g.ExprGraph)
		defer vm.Close()
		for range 2 { // the second run finds the memory as the first left it
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			stats, err := p.Forward()
			if err != nil {
				t.Fatal(err)
			}
			if want := g.Loss.Value().(*gorgonia.F32); float32(stats.Loss) != float32(*want) {
				t.Errorf("loss %v, the tape machine has %v", stats.Loss, *want)
			}
			logits, err := p.Logits()
			if err != nil {
				t.Fatal(err)
			}
			same(t, "logits", logits, g.Logits)
			if training {
				if err := p.Backward(nil); err != nil {
					t.Fatal(err)
				}
			}
			for i, n := range g.Grads {
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
