package modelstest

import (
	"math"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

const (
	// goldenTolerance is relative: the golden files are of float64, devices compute in float32.
	goldenTolerance = 1e-3
	// The gradients of deep networks jump: where an activation is next to zero, or two candidates of a max pooling are
	// next to equal, rounding decides which way the gradient goes. flipNorm and flipElement are what that may add,
	// relative to a gradient's norm and to its root mean square; flipMedian bounds the median of the norms' relative
	// errors. purego, which rounds nothing but results, turns none or one of the millions of activations of a
	// googlenet. Sums in float32 turn a dozen, which moves some norms by 5e-3 and single elements by 7e-2, as PyTorch's
	// own float32 does.
	flipNorm, flipElement, flipMedian = 1e-2, 0.15, 2e-3
	// deepNet is from how many parameters on a network is deep: googlenet has 116, the largest of the others 24. In
	// mediumNet, the networks of eight convolutions and more, only single elements jump.
	deepNet, mediumNet = 50, 20
	// goldenRate is the learning rate of the golden files' Adam steps.
	goldenRate = 1e-3
	// adamTolerance bounds the error of how much a parameter's norm changes in the first Adam step, relative to the
	// learning rate; flipAdam is added for deep networks. That step moves each element by about the rate in the
	// direction of its gradient's sign, which rounding turns round where a gradient is next to zero.
	adamTolerance, flipAdam = 0.1, 1
	// zeroGradient is the norm of a bias's gradient relative to that of its layer's weights below which it is zero but
	// for float64's rounding: a convolution's bias means nothing where batch norm follows.
	zeroGradient = 1e-9
	// shortFLOPs is how much arithmetic a golden step may have under -short.
	shortFLOPs = 2e9
)

// smallNet says for which models the losses after the first are comparable; in deep nets they are chaotic.
var smallNet = map[string]bool{"lenet": true, "vgg-tiny": true, "vgg-tiny-96": true}

// GoldenStep runs a model's first training steps on a device and compares them with a golden file. It skips the test
// for a model that package models does not have, and under -short for a large one.
func GoldenStep(t *testing.T, d op.Device, file string) {
	GoldenStepWithin(t, d, file, GoldenTolerance{Loss: goldenTolerance, Forward: goldenTolerance, Backward: goldenTolerance})
}

// GoldenTolerance is how far a golden step may be off, relative to norms or usual sizes: 1e-3 in float32.
type GoldenTolerance struct {
	Loss     float64
	Forward  float64 // logits, running moments
	Backward float64 // the gradients' norms and sums
	// Element is added to Backward for single elements of gradients, and Adam to the step that a norm takes in Adam's
	// first step, as a multiple of the learning rate: what may be off where rounding decides which way a gradient goes.
	Element, Adam float64
	// NoFlips leaves out what deep networks are allowed beside: the device does not round where a gradient's way is
	// decided.
	NoFlips bool
}

// GoldenStepWithin is GoldenStep for a device that computes more coarsely than in float32. The images that are judged
// right are compared only where Forward is float32's.
func GoldenStepWithin(t *testing.T, d op.Device, file string, within GoldenTolerance) {
	g, pixels := LoadGolden(t, file)
	goldenStep(t, d, g, pixels, within)
}

// StepErrors are the largest errors of a step, relative to norms or usual sizes as the tolerances are.
type StepErrors struct {
	Logits           float64
	Norm, MedianNorm float64 // of gradients' norms
	Element          float64 // of the elements of gradients that a golden file has
	// Relative is the norm of a gradient's difference over its norm, of the parameter that is off most; MedianRelative
	// that of half of the parameters, AllRelative of all gradients as one vector. They are 0 where only a file is
	// compared with.
	Relative, MedianRelative, AllRelative float64
}

func goldenStep(t *testing.T, d op.Device, g Golden, pixels []float32, within GoldenTolerance) (found StepErrors) {
	if !slices.Contains(models.Names(), g.Model) {
		t.Skipf("SKIPPED: there is no model %s", g.Model)
	}
	spec, err := models.Lookup(g.Model)
	if err != nil {
		t.Fatal(err)
	}
	info, err := spec.Inspect()
	if err != nil {
		t.Fatal(err)
	}
	if flops := 3 * float64(info.ForwardFLOPs) * float64(g.Input[0]); testing.Short() && flops > shortFLOPs {
		t.Skipf("a step of %.1f GFLOP is not for -short", flops/1e9)
	}
	s := newGoldenRun(t, d, g, pixels, within)
	s.parameters()
	s.forward()
	s.moments()
	s.backward()
	s.gradients()
	s.adam()
	if smallNet[g.Model] {
		for _, want := range g.Losses[1:] {
			s.near("loss after Adam", s.forward().Loss, want, within.Loss*want)
			s.backward()
			s.update()
		}
	}
	t.Logf("%s, batch %d: largest error is %.2g of what is allowed (%s)", g.Model, g.Input[0], s.worst, s.worstWhat)
	return s.found
}

// goldenRun is one model's comparison in progress.
type goldenRun struct {
	*testing.T
	Golden
	device  op.Device
	params  *nn.Params
	program *exec.Program
	update  func() // one step of Adam
	losses  int    // forward passes so far
	within  GoldenTolerance
	// flipNorm, flipElement, flipMedian and flipAdam are the constants of that name where they apply, else 0.
	flipNorm, flipElement, flipMedian, flipAdam float64

	found     StepErrors
	worst     float64
	worstWhat string
}

func newGoldenRun(t *testing.T, d op.Device, g Golden, pixels []float32, within GoldenTolerance) *goldenRun {
	s := &goldenRun{T: t, Golden: g, device: d, within: within, flipElement: within.Element, flipAdam: within.Adam}
	m, err := models.Lookup(g.Model)
	if err != nil {
		t.Fatal(err)
	}
	if s.params, err = m.NewParams(d); err != nil {
		t.Fatal(err)
	}
	s.program, err = exec.Compile(exec.Config{
		Device: d, Params: s.params, Batch: g.Input[0], Side: g.Input[2], Build: m.Build, Training: true, NoDropout: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	FillGolden(s.params, g.Seed)
	if err := s.params.Push(); err != nil {
		t.Fatal(err)
	}
	if err := s.program.Load(pixels, floats(g.Labels)); err != nil {
		t.Fatal(err)
	}
	s.update = newAdam(t, d, s.params)
	if !within.NoFlips {
		s.flipMedian = flipMedian
	}
	if len(g.Params) >= mediumNet && !within.NoFlips {
		s.flipElement += flipElement
	}
	if len(g.Params) >= deepNet && !within.NoFlips {
		s.flipNorm = flipNorm
		s.flipAdam += flipAdam
	}
	return s
}

// newAdam is Adam as PyTorch has it by default, but for the learning rate, on the device.
func newAdam(t testing.TB, d op.Device, params *nn.Params) func() {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	zeros := func(n int) op.Buffer {
		b, err := d.Alloc(n)
		must(err)
		return b
	}
	n := params.Len()
	k, err := d.Compile(op.AdamUpdate{Len: n})
	must(err)
	mean, square, hyper := zeros(n), zeros(n), zeros(op.HyperLen)
	adam, step := op.DefaultAdam(), 0
	adam.Rate = goldenRate
	return func() {
		t.Helper()
		step++
		hyper.Host[op.HyperGradScale], hyper.Host[op.HyperDecay] = 1, 1
		adam.SetHyper(hyper.Host, step)
		dst, src := []op.Buffer{params.Values, mean, square}, []op.Buffer{params.Grads, hyper}
		for _, b := range slices.Concat(dst, src) {
			must(op.Push(d, b))
		}
		must(k.Run(dst, src))
		for _, b := range dst {
			must(op.Pull(d, b))
		}
	}
}

func (s *goldenRun) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// parameters checks that they are those of the golden file, in its order.
func (s *goldenRun) parameters() {
	if len(s.params.List) != len(s.Params) {
		s.Fatalf("%d parameters, the golden file has %d", len(s.params.List), len(s.Params))
	}
	for i, want := range s.Params {
		if q := s.params.List[i]; q.Layer != want.Layer || q.Kind != want.Kind || !slices.Equal(q.Shape, want.Shape) {
			s.Fatalf("parameter %d, %s, is %s %s %v, the golden file has %s %s %v", i, q.Name, q.Layer, q.Kind, q.Shape, want.Layer, want.Kind, want.Shape)
		}
		s.near(s.name(i)+" value l2", norm(s.params.Value(i).Host), want.ValueL2, 1e-6*want.ValueL2)
	}
}

// forward runs the forward pass. The first of them is compared with the golden file.
func (s *goldenRun) forward() exec.Stats {
	s.Helper()
	stats, err := s.program.Forward()
	if err != nil {
		s.Fatal(err)
	}
	if s.losses++; s.losses > 1 {
		return stats
	}
	s.near("loss", stats.Loss, s.Loss, s.within.Loss*s.Loss)
	correct := 0
	for n, row := range s.Logits {
		if slices.Index(row, slices.Max(row)) == s.Labels[n] {
			correct++
		}
		logits, err := s.program.Logits()
		if err != nil {
			s.Fatal(err)
		}
		for c, want := range row {
			usual := norm(row) / math.Sqrt(float64(len(row)))
			got, size := float64(logits[n*len(row)+c]), max(math.Abs(want), usual)
			s.near("logit", got, want, s.within.Forward*size)
			s.found.Logits = max(s.found.Logits, math.Abs(got-want)/size)
		}
	}
	if s.within.Forward <= goldenTolerance && stats.Correct != correct {
		s.Errorf("%d correct, the golden file has %d", stats.Correct, correct)
	}
	return stats
}

func (s *goldenRun) backward() {
	s.Helper()
	s.must(s.program.Backward(nil))
	s.must(op.Pull(s.device, s.params.Grads))
}

// moments compares batch norm's running moments after the first forward pass.
func (s *goldenRun) moments() {
	if len(s.params.State) != 2*len(s.BatchNormRunning) {
		s.Fatalf("%d running moments, the golden file has %d batch norm layers", len(s.params.State), len(s.BatchNormRunning))
	}
	s.must(op.Pull(s.device, s.params.StateValues))
	for i, want := range s.BatchNormRunning {
		for j, w := range []float64{want.MeanL2, want.VarL2} {
			got := norm(s.params.StateValue(2*i + j).Host)
			s.near(s.params.State[2*i+j].Name+" l2", got, w, s.within.Forward*w)
		}
	}
}

// gradients compares every parameter's. A bias's gradient that is zero in exact arithmetic may be what rounding leaves
// of the terms of its sum, which are as large as those of the weights of its layer.
func (s *goldenRun) gradients() {
	var errors, relative []float64
	var squares, whole float64
	for i, want := range s.Params {
		grad := s.params.Grad(i).Host
		n := float64(len(grad))
		l2 := want.GradL2
		if s.zeroGradient(i) {
			l2 = s.Params[i-1].GradL2 * math.Sqrt(n/float64(s.params.List[i-1].Len))
		}
		got, allowed := norm(grad), s.within.Backward+s.flipNorm
		errors = append(errors, math.Abs(got-want.GradL2)/l2)
		s.near(s.name(i)+" grad l2", got, want.GradL2, allowed*l2)
		s.near(s.name(i)+" grad sum", sum(grad), want.GradSum, allowed*l2*math.Sqrt(n))
		for j, v := range want.GradHead {
			usual := l2 / math.Sqrt(n)
			s.near(s.name(i)+" grad head", float64(grad[j]), v, s.within.Backward*max(math.Abs(v), usual)+s.flipElement*usual)
			s.found.Element = max(s.found.Element, math.Abs(float64(grad[j])-v)/max(math.Abs(v), usual))
		}
		if want.grad != nil {
			off := distance(grad, want.grad)
			relative, squares = append(relative, off/l2), squares+off*off
			whole += want.GradL2 * want.GradL2
		}
	}
	slices.Sort(errors)
	s.found.Norm, s.found.MedianNorm = errors[len(errors)-1], errors[len(errors)/2]
	s.near("median error of grad l2", s.found.MedianNorm, 0, max(s.flipMedian, s.within.Backward))
	s.Logf("grad l2: relative errors up to %.2g, median %.2g", s.found.Norm, s.found.MedianNorm)
	if relative != nil {
		slices.Sort(relative)
		s.found.Relative, s.found.MedianRelative = relative[len(relative)-1], relative[len(relative)/2]
		s.found.AllRelative = math.Sqrt(squares / whole)
	}
}

// distance is the norm of a difference.
func distance(a []float32, b []float64) (d float64) {
	for i, v := range b {
		d += (float64(a[i]) - v) * (float64(a[i]) - v)
	}
	return math.Sqrt(d)
}

func (s *goldenRun) zeroGradient(i int) bool {
	return s.Params[i].Kind == "bias" && s.Params[i].GradL2 < zeroGradient*s.Params[i-1].GradL2
}

// adam compares the parameters' norms after a step. A norm hardly changes, so the change is compared, too.
func (s *goldenRun) adam() {
	s.update()
	for i, want := range s.Params {
		got := norm(s.params.Value(i).Host)
		tolerance := (adamTolerance + s.flipAdam) * goldenRate
		if s.zeroGradient(i) { // a step of the rate in any direction
			tolerance = goldenRate * math.Sqrt(float64(s.params.List[i].Len))
		}
		s.near(s.name(i)+" value l2 after Adam", got, want.ValueL2AfterAdam, tolerance)
	}
}

func (s *goldenRun) name(i int) string { return "parameter " + s.params.List[i].Name }

// near fails the test unless got is as near to want as the tolerance says.
func (s *goldenRun) near(what string, got, want, tolerance float64) {
	s.Helper()
	diff := math.Abs(got - want)
	if !(diff <= tolerance) {
		s.Errorf("%s = %.9g, the golden file has %.9g: the difference %.2g is %.3g of what is allowed", what, got, want, diff, diff/tolerance)
	}
	if diff > 0 && diff/tolerance > s.worst {
		s.worst, s.worstWhat = diff/tolerance, what
	}
}

func norm[T float32 | float64](v []T) float64 {
	s := 0.0
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

func floats(labels []int) []float32 {
	all := make([]float32, len(labels))
	for i, l := range labels {
		all[i] = float32(l)
	}
	return all
}

func sum[T float32 | float64](v []T) (s float64) {
	for _, x := range v {
		s += float64(x)
	}
	return s
}
