package exec_test

import (
	"math"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/models/modelstest"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/purego"
)

// branching has what fusion looks for: concatenations whose parts are rectified convolutions and poolings, sums over
// branches, poolings and batch norm behind a ReLU, a residual block with and without a convolution in its shortcut, and
// a value that two concatenations share.
func branching(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	block := func(x *nn.Tensor, name string, norm bool) *nn.Tensor {
		return b.Named(name).Sequential(x, func(x *nn.Tensor) *nn.Tensor {
			one := b.ReLU(b.Conv2D(x, 2, 1))
			y := b.Concat(
				one,
				b.ReLU(b.Conv2D(b.ReLU(b.Conv2D(x, 3, 1)), 4, 3, nn.Pad(1))),
				b.ReLU(b.Conv2D(b.MaxPool(x, 3, nn.Stride(1), nn.Pad(1)), 3, 1)),
				b.Sigmoid(b.Conv2D(one, 1, 1)),
			)
			if norm {
				y = b.BatchNorm(y)
			}
			return y
		})
	}
	residual := func(x *nn.Tensor, name string, channels int) *nn.Tensor {
		return b.Named(name).Sequential(x, func(x *nn.Tensor) *nn.Tensor {
			y := b.BatchNorm(b.Conv2D(b.ReLU(b.Conv2D(x, channels, 3, nn.Pad(1))), channels, 1, nn.NoBias()))
			if x.Shape.C != channels {
				x = b.BatchNorm(b.Conv2D(x, channels, 1, nn.NoBias()))
			}
			return b.ReLU(b.Add(y, x))
		})
	}
	pool := func(x *nn.Tensor) *nn.Tensor { return b.MaxPool(x, 3, nn.Stride(2), nn.Pad(1)) }
	x = pool(b.ReLU(b.BatchNorm(b.Conv2D(x, 4, 3, nn.Pad(1)))))
	x = block(x, "a", false)
	x = pool(block(x, "b", false))
	x = residual(residual(block(x, "c", true), "d", 10), "e", 6)
	side := b.ReLU(b.Conv2D(x, 2, 1))
	x = b.Concat(b.Concat(side, x), side)
	x = b.Dropout(b.ReLU(b.Linear(b.GlobalAvgPool(x), 9)), 0.25)
	return b.Linear(x, 5)
}

func TestFusionKeepsTheNumbers(t *testing.T) {
	d := purego.New()
	defer d.Close()
	for _, training := range []bool{true, false} {
		var grads, logits, state [2][]float32
		var losses [2]float64
		for k, unfused := range []bool{false, true} {
			params, err := nn.NewParams(d, side, branching)
			if err != nil {
				t.Fatal(err)
			}
			modelstest.FillGolden(params, 5)
			p, err := exec.Compile(exec.Config{
				Device: d, Params: params, Batch: 3, Side: side, Build: branching, Training: training,
				Smoothing: 0.1, Unfused: unfused,
			})
			if err != nil {
				t.Fatal(err)
			}
			fill(p)
			p.SetDropoutKey(77)
			for range 2 { // the second finds the memory as the first left it
				s, err := p.Forward()
				if err != nil {
					t.Fatal(err)
				}
				losses[k] = s.Loss
				if training {
					if err := p.Backward(nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			grads[k], logits[k], state[k] = params.Grads.Host, slices.Clone(logitsOf(t, p)), params.StateValues.Host
		}
		if math.Abs(losses[0]-losses[1]) > 1e-5 {
			t.Errorf("training %v: loss %v fused, %v unfused", training, losses[0], losses[1])
		}
		close32(t, "logits", logits[0], logits[1])
		close32(t, "running moments", state[0], state[1])
		close32(t, "gradients", grads[0], grads[1])
	}
}

// close32 allows for another order of summation.
func close32(t *testing.T, what string, got, want []float32) {
	t.Helper()
	square := 0.0
	for _, w := range want {
		square += float64(w) * float64(w)
	}
	rms := math.Sqrt(square / float64(len(want)))
	for i := range want {
		if !(math.Abs(float64(got[i]-want[i])) <= 1e-5*rms) {
			t.Fatalf("%s[%d] = %v fused, %v unfused (rms %v)", what, i, got[i], want[i], rms)
		}
	}
}

// A training step of the course's networks has no pass over memory that only rectifies, copies or sums branches, but
// for the sums that residual blocks are made of.
func TestFusionLeavesNoPassBehind(t *testing.T) {
	for _, name := range models.Names() {
		m, err := models.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		kinds, err := exec.Kinds(m.Build, m.InputSide)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{}
		if name == "googlenet-res" {
			want = map[string]int{"add": 9, "relu.dx": 3}
		}
		for _, kind := range []string{"relu", "relu.dx", "add", "copy"} {
			if kinds[kind] != want[kind] {
				t.Errorf("%s: %d operations of kind %s, want %d", name, kinds[kind], kind, want[kind])
			}
		}
	}
}
