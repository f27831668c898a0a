//go:build gpu && cgo

package cuda

import (
	"math"
	"runtime"
	"testing"

	"ringloom/models"
	"ringloom/models/modelstest"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// TestPrecisions trains a few steps of small models in every precision, and compares the losses with the reference's.
func TestPrecisions(t *testing.T) {
	for _, c := range []struct {
		model     string
		precision Precision
		tolerance float64 // relative, of each loss
	}{
		{"lenet", Float32, 1e-5}, {"lenet", TF32, 2e-3}, {"lenet", BF16, 2e-2},
		{"vgg-tiny-96", Float32, 1e-4}, {"vgg-tiny-96", TF32, 2e-2}, {"vgg-tiny-96", BF16, 6e-2},
	} {
		t.Run(c.model+" "+string(c.precision), func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			reference := purego.New()
			defer reference.Close()
			d := open(t, Options{Precision: c.precision})
			defer d.Close()
			want, got := losses(t, reference, c.model), losses(t, d, c.model)
			for i := range want {
				if diff := math.Abs(got[i]-want[i]) / want[i]; !(diff <= c.tolerance) {
					t.Errorf("loss %d is %.6f, the reference has %.6f: off by %.2g, %.2g is allowed", i, got[i], want[i], diff, c.tolerance)
				}
			}
			if want[len(want)-1] > 0.9*want[0] {
				t.Errorf("the reference's losses %v do not fall: they show nothing", want)
			}
			t.Logf("losses %v, the reference's %v", got, want)
		})
	}
}

// tf32Tolerance is for TF32, whose numbers have 10 bits behind the point. Gradients of the tiny networks are off by up
// to a quarter of their norm, because rounding turns many maxima of pooling round. A single element of a deep network's
// gradient can then be anything of the usual size, from run to run too where another algorithm is chosen; the norms are
// what is held.
//
// Of googlenet-bn little more than the loss can be held: in float64, rounding the operands of its convolutions to TF32
// moves logits by 16% and half of the gradients' norms by more than 50%, where it moves 1.3% and 0.6% in googlenet-res.
func tf32Tolerance(file string) modelstest.GoldenTolerance {
	switch file {
	case "googlenet-bn.json":
		return modelstest.GoldenTolerance{Loss: 2e-2, Forward: 0.5, Backward: 2, Element: 2, Adam: 2}
	case "vgg-tiny.json":
		return modelstest.GoldenTolerance{Loss: 2e-2, Forward: 2e-2, Backward: 0.5, Element: 2, Adam: 1}
	}
	return modelstest.GoldenTolerance{Loss: 2e-2, Forward: 2e-2, Backward: 0.25, Element: 2, Adam: 1}
}

// TestGoldenInTF32 holds every model to its golden file; TestGoldenSteps does it in float32.
func TestGoldenInTF32(t *testing.T) {
	for _, file := range modelstest.GoldenFiles(t) {
		t.Run(file, func(t *testing.T) {
			locked(t, Options{Precision: TF32}, func(d *Device) { modelstest.GoldenStepWithin(t, d, file, tf32Tolerance(file)) })
		})
	}
}

// losses are those of the first steps of Adam on one batch.
func losses(t *testing.T, d op.Device, model string) (all []float64) {
	t.Helper()
	const batch, steps = 8, 6
	m, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	params, err := m.NewParams(d)
	if err != nil {
		t.Fatal(err)
	}
	modelstest.FillGolden(params, 3)
	if err := params.Push(); err != nil {
		t.Fatal(err)
	}
	program, err := exec.Compile(exec.Config{
		Device: d, Params: params, Batch: batch, Side: m.InputSide, Build: m.Build, Training: true, NoDropout: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	pixels, labels := make([]float32, batch*m.InputSide*m.InputSide), make([]float32, batch)
	for i := range pixels {
		pixels[i] = float32(i*i%251) / 250
	}
	for i := range labels {
		labels[i] = float32(i)
	}
	update := adam(t, d, params)
	for range steps {
		if err := program.Load(pixels, labels); err != nil {
			t.Fatal(err)
		}
		stats, err := program.Forward()
		if err == nil {
			err = program.Backward(nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stats.Loss)
		update()
	}
	return all
}

// adam returns a step of it over all parameters.
func adam(t *testing.T, d op.Device, params *nn.Params) func() {
	t.Helper()
	n := params.Len()
	k, err := d.Compile(op.AdamUpdate{Len: n})
	if err != nil {
		t.Fatal(err)
	}
	buffers := make([]op.Buffer, 3)
	for i, length := range []int{n, n, op.HyperLen} {
		if buffers[i], err = d.Alloc(length); err != nil {
			t.Fatal(err)
		}
	}
	step := 0
	return func() {
		step++
		h := buffers[2].Host
		h[op.HyperGradScale], h[op.HyperDecay] = 1, 1
		op.DefaultAdam().SetHyper(h, step)
		err := op.Push(d, buffers[2])
		if err == nil {
			err = k.Run([]op.Buffer{params.Values, buffers[0], buffers[1]}, []op.Buffer{params.Grads, buffers[2]})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
