//go:build gpu && cgo

package cuda

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"ringloom/models/modelstest"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// everything has each kind of layer, branches whose sizes are odd, and a shortcut.
func everything(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.ReLU(b.BatchNorm(b.Conv2D(x, 6, 3, nn.Pad(1))))
	x = b.MaxPool(x, 3, nn.Stride(2), nn.Pad(1))
	one := b.ReLU(b.Conv2D(x, 5, 1))
	two := b.ReLU(b.Conv2D(b.ReLU(b.Conv2D(x, 4, 1)), 8, 3, nn.Pad(1)))
	three := b.ReLU(b.Conv2D(b.MaxPool(x, 3, nn.Stride(1), nn.Pad(1)), 3, 1))
	y := b.Concat(one, two, three)
	y = b.BatchNorm(b.Conv2D(y, 6, 1, nn.NoBias()))
	x = b.ReLU(b.Add(y, x))
	x = b.AvgPool(x, 2, nn.Stride(2))
	x = b.Dropout(b.ReLU(b.Linear(b.Flatten(x), 20)), 0.3)
	return b.Linear(b.Sigmoid(x), 10)
}

// outcome is what a program leaves behind.
type outcome struct {
	loss   float64
	grads  []float32
	state  []float32
	synced int
}

// TestProgramsInParts runs a training step cut at every parameter and at every moment that ranks average, and as one,
// and compares it with the reference's.
func TestProgramsInParts(t *testing.T) {
	reference := purego.New()
	defer reference.Close()
	want := stepOf(t, reference, nil)
	if want.synced == 0 || want.loss == 0 {
		t.Fatal("the reference shows nothing")
	}
	var all []int
	for i := range 18 {
		all = append(all, i)
	}
	for _, c := range []struct {
		name      string
		precision Precision
		stops     []int
		tolerance float64
	}{
		{"float32 in parts", Float32, all, 1e-4}, {"float32", Float32, nil, 1e-4},
		{"tf32", TF32, nil, 3e-2}, {"bf16 in parts", BF16, all, 0.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			locked(t, Options{Precision: c.precision}, func(d *Device) {
				got := stepOf(t, d, c.stops)
				if got.synced != want.synced {
					t.Errorf("%d averages, the reference has %d", got.synced, want.synced)
				}
				if off := math.Abs(got.loss-want.loss) / want.loss; !(off <= c.tolerance/10) {
					t.Errorf("loss %v, the reference has %v", got.loss, want.loss)
				}
				for what, v := range map[string][2][]float32{"gradients": {got.grads, want.grads}, "running moments": {got.state, want.state}} {
					if off := distance(v[0], v[1]); !(off <= c.tolerance) {
						t.Errorf("%s are off by %.2g of their norm", what, off)
					}
				}
			})
		})
	}
}

// distance is the norm of the difference relative to that of want.
func distance(got, want []float32) float64 {
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += (float64(got[i]) - float64(w)) * (float64(got[i]) - float64(w))
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(diff / norm)
}

// stepOf runs three forward and backward passes: as they stand, recorded, replayed. The outcome is the last one's.
func stepOf(t *testing.T, d op.Device, stops []int) (o outcome) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const batch, side = 6, 13
	params, err := nn.NewParams(d, side, everything)
	if err != nil {
		t.Fatal(err)
	}
	modelstest.FillGolden(params, 5)
	if err := params.Push(); err != nil {
		t.Fatal(err)
	}
	program, err := exec.Compile(exec.Config{
		Device: d, Params: params, Batch: batch, Side: side, Build: everything, Training: true, Stops: stops, SyncBatch: 2 * batch,
		SyncBatchNorm: func(values []float32) error { // as if another rank had the same samples, but for some
			o.synced++
			for i := range values {
				values[i] *= 1.03125
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pixels, labels := make([]float32, batch*side*side), make([]float32, batch)
	for i := range pixels {
		pixels[i] = float32(i*i%97) / 96
	}
	for i := range labels {
		labels[i] = float32(i)
	}
	for range 3 {
		if err := program.Load(pixels, labels); err != nil {
			t.Fatal(err)
		}
		program.SetDropoutKey(77)
		stats, err := program.Forward()
		if err != nil {
			t.Fatal(err)
		}
		o.loss = stats.Loss
		told := map[int]bool{}
		if err := program.Backward(func(param int) { told[param] = true }); err != nil {
			t.Fatal(err)
		}
		if len(told) != len(params.List) {
			t.Errorf("told of %d gradients of %d", len(told), len(params.List))
		}
	}
	if err := op.Pull(d, params.Grads); err != nil {
		t.Fatal(err)
	}
	if err := params.Pull(); err != nil {
		t.Fatal(err)
	}
	o.grads, o.state = slices.Clone(params.Grads.Host), slices.Clone(params.StateValues.Host)
	return o
}
