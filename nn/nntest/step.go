package nntest

import (
	"math"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn"
)

func heScale(fanIn int) float64 { return math.Sqrt(6 / float64(fanIn)) }

// goldenTolerance is relative: the golden files are of float64, devices compute in float32.
const goldenTolerance = 1e-3

// smallNet says for which models the losses after the first are comparable; in deep nets they are chaotic.
var smallNet = map[string]bool{"lenet": true}

// GoldenStep runs a model's first training steps on a device and compares them with its golden file.
func GoldenStep(t *testing.T, d nn.Device, model string) {
	g, pixels := LoadGolden(t, model)
	m, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	params, err := m.NewParams(d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := nn.Compile(nn.ProgramConfig{
		Device: d, Params: params, Batch: g.Input[0], Side: m.InputSide, Build: m.Build, Training: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	FillGolden(params, g.Seed)
	labels := make([]float32, len(g.Labels))
	for i, l := range g.Labels {
		labels[i] = float32(l)
	}
	p.Load(pixels, labels)

	if len(params.List) != len(g.Params) {
		t.Fatalf("%d parameters, the golden file has %d", len(params.List), len(g.Params))
	}
	for i, want := range g.Params {
		if q := params.List[i]; q.Layer != want.Layer || q.Kind != want.Kind || !slices.Equal(q.Shape, want.Shape) {
			t.Fatalf("parameter %d is %s %s %v, the golden file has %s %s %v", i, q.Layer, q.Kind, q.Shape, want.Layer, want.Kind, want.Shape)
		}
		near(t, name(params, i)+" value l2", norm(params.Value(i).Host), want.ValueL2, want.ValueL2)
	}

	step := func() nn.Stats {
		t.Helper()
		s, err := p.Forward()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Backward(nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	stats := step()
	near(t, "loss", stats.Loss, g.Loss, g.Loss)
	if got, want := stats.Correct, correct(g); got != want {
		t.Errorf("%d correct, want %d", got, want)
	}
	for n, row := range g.Logits {
		for c, want := range row {
			near(t, "logit", float64(p.Logits()[n*len(row)+c]), want, norm(row)/math.Sqrt(float64(len(row))))
		}
	}
	for i, want := range g.Params {
		grad := params.Grad(i).Host
		rms := want.GradL2 / math.Sqrt(float64(len(grad)))
		near(t, name(params, i)+" grad l2", norm(grad), want.GradL2, want.GradL2)
		near(t, name(params, i)+" grad sum", sum(grad), want.GradSum, want.GradL2*math.Sqrt(float64(len(grad))))
		for j, v := range want.GradHead {
			near(t, name(params, i)+" grad head", float64(grad[j]), v, rms)
		}
	}

	optimizer := newAdam(params.Len())
	optimizer.step(params)
	for i, want := range g.Params {
		near(t, name(params, i)+" value l2 after Adam", norm(params.Value(i).Host), want.ValueL2AfterAdam, want.ValueL2AfterAdam)
	}
	if !smallNet[model] {
		return
	}
	for i, want := range g.Losses[1:] {
		near(t, "loss after Adam", step().Loss, want, want)
		if i+2 < len(g.Losses) {
			optimizer.step(params)
		}
	}
}

func name(p *nn.Params, i int) string { return "parameter " + p.List[i].Name }

// near bounds the error by goldenTolerance of what is wanted or of the usual size of such numbers.
func near(t *testing.T, what string, got, want, scale float64) {
	t.Helper()
	if diff := math.Abs(got - want); !(diff <= goldenTolerance*max(math.Abs(want), math.Abs(scale))) {
		t.Errorf("%s = %.9g, the golden file has %.9g", what, got, want)
	}
}

func correct(g Golden) (n int) {
	for i, row := range g.Logits {
		if slices.Index(row, slices.Max(row)) == g.Labels[i] {
			n++
		}
	}
	return n
}

func norm[T float32 | float64](v []T) float64 {
	s := 0.0
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

func sum(v []float32) (s float64) {
	for _, x := range v {
		s += float64(x)
	}
	return s
}

// adam is Adam as PyTorch has it, with learning rate 1e-3 and all else by default.
type adam struct {
	mean, square []float64
	t            int
}

func newAdam(n int) *adam { return &adam{mean: make([]float64, n), square: make([]float64, n)} }

func (a *adam) step(p *nn.Params) {
	const rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8
	a.t++
	bias1, bias2 := 1-math.Pow(beta1, float64(a.t)), 1-math.Pow(beta2, float64(a.t))
	for i, grad := range p.Grads.Host {
		g := float64(grad)
		a.mean[i] = beta1*a.mean[i] + (1-beta1)*g
		a.square[i] = beta2*a.square[i] + (1-beta2)*g*g
		p.Values.Host[i] -= float32(rate * a.mean[i] / bias1 / (math.Sqrt(a.square[i]/bias2) + epsilon))
	}
}
