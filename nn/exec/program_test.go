package exec_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ringloom/models/modelstest"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

const side = 12

// small has every kind of layer, a pooling and a sigmoid before the first parameter, and a convolution whose input's
// gradient nobody needs.
func small(b *nn.Builder, x *nn.Tensor) *nn.Tensor {
	x = b.Sigmoid(b.AvgPool(x, 2, nn.Stride(1)))
	x = b.Sigmoid(b.Conv2D(x, 3, 3, nn.PadHW(1, 0), nn.StrideHW(1, 2)))
	x = b.AvgPool(b.Conv2D(x, 4, 2, nn.KernelHW(3, 2)), 2)
	x = b.Sigmoid(b.Linear(x, 7))
	return b.Linear(x, 5)
}

func program(t testing.TB, batch int, training bool) (*exec.Program, *nn.Params) {
	t.Helper()
	d := purego.New()
	t.Cleanup(func() { d.Close() })
	params, err := nn.NewParams(d, side, small)
	if err != nil {
		t.Fatal(err)
	}
	params.Init(1)
	return compile(t, d, params, batch, training), params
}

func compile(t testing.TB, d op.Device, params *nn.Params, batch int, training bool) *exec.Program {
	t.Helper()
	p, err := exec.Compile(exec.Config{
		Device: d, Params: params, Batch: batch, Side: side, Build: small, Training: training,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fill puts a pattern into the program's input.
func fill(p *exec.Program) {
	pixels, labels := p.Input()
	for i := range pixels {
		pixels[i] = float32(i*i%97) / 97
	}
	for i := range labels {
		labels[i] = float32(i % p.Classes())
	}
}

func step(t testing.TB, p *exec.Program, ready func(int)) exec.Stats {
	t.Helper()
	s, err := p.Forward()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Backward(ready); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLateGradientsAreReadyFirst(t *testing.T) {
	p, params := program(t, 3, true)
	fill(p)
	step(t, p, nil)
	final := slices.Clone(params.Grads.Host)
	for i := range params.Grads.Host {
		params.Grads.Host[i] = float32(math.NaN())
	}
	var order []int
	step(t, p, func(i int) {
		order = append(order, i)
		q := params.List[i]
		if !slices.Equal(params.Grad(i).Host, final[q.Offset:q.Offset+q.Len]) {
			t.Errorf("%s is not final when it is said to be ready", q.Name)
		}
	})
	want := []int{7, 6, 5, 4, 3, 2, 1, 0}
	if !slices.Equal(order, want) {
		t.Errorf("ready in the order %v, want %v", order, want)
	}
	d := purego.New()
	defer d.Close()
	told, err := exec.Config{Device: d, Params: params, Batch: 3, Side: side, Build: small}.GradientOrder()
	if err != nil || !slices.Equal(told, want) {
		t.Errorf("GradientOrder says %v (%v), want %v", told, err, want)
	}
}

func TestStepsComeInOrderOfCreation(t *testing.T) {
	for range 5 { // Gorgonia keeps its graphs in maps
		p, _ := program(t, 2, true)
		forward, backward := p.StepNames()
		want := "avgpool sigmoid conv sigmoid conv avgpool linear sigmoid linear loss"
		if got := strings.Join(forward, " "); got != want {
			t.Fatalf("forward is %s, want %s", got, want)
		}
		want = "linear.dw linear.dx sigmoid.dx linear.dw linear.dx avgpool.dx conv.dw conv.dx sigmoid.dx conv.dw"
		if got := strings.Join(backward, " "); got != want {
			t.Fatalf("backward is %s, want %s", got, want)
		}
	}
}

// The whole chain against finite differences of the loss.
func TestGradientOfTheWholeNetwork(t *testing.T) {
	p, params := program(t, 4, true)
	modelstest.FillGolden(params, 2)
	fill(p)
	step(t, p, nil)
	grads := slices.Clone(params.Grads.Host)
	for i := 0; i < params.Len(); i += 7 {
		v := &params.Values.Host[i]
		at := *v
		loss := func(x float32) float64 {
			*v = x
			s, err := p.Forward()
			if err != nil {
				t.Fatal(err)
			}
			return s.Loss
		}
		const h = 1.0 / 64
		want := (loss(at+h) - loss(at-h)) / (2 * h)
		*v = at
		if got := float64(grads[i]); math.Abs(got-want) > 2e-4+2e-3*math.Abs(want) {
			t.Errorf("gradient of element %d is %g, finite differences give %g", i, got, want)
		}
	}
}

// Two halves with the loss scale of the whole add up to the whole: what data parallelism rests on.
func TestLossScaleMakesPartsAddUp(t *testing.T) {
	d := purego.New()
	defer d.Close()
	params, err := nn.NewParams(d, side, small)
	if err != nil {
		t.Fatal(err)
	}
	params.Init(5)
	whole := compile(t, d, params, 6, true)
	part := map[int]*exec.Program{4: compile(t, d, params, 4, true), 2: compile(t, d, params, 2, true)}
	fill(whole)
	pixels, labels := whole.Input()
	want := step(t, whole, nil)
	wantGrads := slices.Clone(params.Grads.Host)

	got, gotGrads, at := exec.Stats{}, make([]float32, params.Len()), 0
	for _, n := range []int{4, 2} {
		p := part[n]
		p.Load(pixels[at*side*side:(at+n)*side*side], labels[at:at+n])
		p.SetLossScale(1.0 / 6)
		s := step(t, p, nil)
		got.Loss, got.Correct, at = got.Loss+s.Loss, got.Correct+s.Correct, at+n
		for i, g := range params.Grads.Host {
			gotGrads[i] += g
		}
	}
	if math.Abs(got.Loss-want.Loss) > 1e-6 || got.Correct != want.Correct {
		t.Errorf("parts give %+v, the whole %+v", got, want)
	}
	for i, w := range wantGrads {
		if math.Abs(float64(gotGrads[i]-w)) > 1e-6 {
			t.Fatalf("gradient %d: parts give %v, the whole %v", i, gotGrads[i], w)
		}
	}
}

func TestEvaluationAgreesWithTraining(t *testing.T) {
	d := purego.New()
	defer d.Close()
	params, err := nn.NewParams(d, side, small)
	if err != nil {
		t.Fatal(err)
	}
	params.Init(9)
	train, eval := compile(t, d, params, 5, true), compile(t, d, params, 5, false)
	fill(train)
	fill(eval)
	a, b := step(t, train, nil), exec.Stats{}
	if b, err = eval.Forward(); err != nil || a != b || !slices.Equal(logitsOf(t, train), logitsOf(t, eval)) {
		t.Errorf("training sees %+v, evaluation %+v (error %v)", a, b, err)
	}
	if eval.ActivationBytes() >= train.ActivationBytes() {
		t.Errorf("evaluation takes %d bytes, training %d", eval.ActivationBytes(), train.ActivationBytes())
	}
	if f, b := eval.FLOPs(); f <= 0 || b != 0 {
		t.Errorf("evaluation counts %d forward and %d backward FLOPs", f, b)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	p, _ := program(t, 3, true)
	fill(p)
	ready := func(int) {}
	if n := testing.AllocsPerRun(10, func() { step(t, p, ready) }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func TestBackwardNeedsForward(t *testing.T) {
	p, _ := program(t, 2, true)
	fill(p)
	if err := p.Backward(nil); !errors.Is(err, exec.ErrOrder) {
		t.Errorf("backward first: %v", err)
	}
	step(t, p, nil)
	if err := p.Backward(nil); !errors.Is(err, exec.ErrOrder) {
		t.Errorf("backward twice: %v", err)
	}
	eval, _ := program(t, 2, false)
	fill(eval)
	if _, err := eval.Forward(); err != nil {
		t.Fatal(err)
	}
	if err := eval.Backward(nil); !errors.Is(err, exec.ErrOrder) {
		t.Errorf("backward of an evaluation program: %v", err)
	}
}

func TestForwardRefusesLabelsThatAreNoClass(t *testing.T) {
	p, _ := program(t, 2, true)
	for _, bad := range []float32{-1, 5, 1.5, float32(math.NaN())} {
		fill(p)
		_, labels := p.Input()
		labels[1] = bad
		if _, err := p.Forward(); !errors.Is(err, exec.ErrLabel) {
			t.Errorf("label %v: error %v", bad, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	d := purego.New()
	defer d.Close()
	params, err := nn.NewParams(d, side, small)
	if err != nil {
		t.Fatal(err)
	}
	good := exec.Config{Device: d, Params: params, Batch: 2, Side: side, Build: small, Training: true}
	other := func(b *nn.Builder, x *nn.Tensor) *nn.Tensor { return b.Linear(x, 5) }
	for name, c := range map[string]struct {
		change func(*exec.Config)
		want   string
	}{
		"no device":     {func(c *exec.Config) { c.Device = nil }, "Device"},
		"no batch":      {func(c *exec.Config) { c.Batch = 0 }, "Batch"},
		"another model": {func(c *exec.Config) { c.Build = other }, "2 parameters where the memory is for 8"},
		"another side":  {func(c *exec.Config) { c.Side = 16 }, "parameter 4 is 7.weight"},
		"too small":     {func(c *exec.Config) { c.Side = 3 }, "layer 2 (Conv2d)"},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := exec.Compile(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", name, err, c.want)
		}
	}
}

func logitsOf(t testing.TB, p *exec.Program) []float32 {
	t.Helper()
	logits, err := p.Logits()
	if err != nil {
		t.Fatal(err)
	}
	return logits
}
