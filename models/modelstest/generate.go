package modelstest

import (
	"math"
	"runtime"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
	"ringloom/nn/purego"
)

// Generate makes what a golden file of other parameters and images would hold, by the plain device in float64: a
// model's first steps on n test images from the first one on, from parameters of a seed (FillGolden). The pixels are
// those of LoadGolden. It skips the test where the data set is not on this machine.
func Generate(t testing.TB, model string, seed uint64, first, n int) (Golden, []float32) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m, err := models.Lookup(model)
	must(err)
	raw := resizedTestImages(t, first, n, m.InputSide)
	g := Golden{
		Model: model, Input: [4]int{n, 1, m.InputSide, m.InputSide}, FirstTestImage: first, Labels: testLabels(t, first, n), Seed: seed,
		PixelsSHA256: checksum(raw),
	}
	pixels := unitPixels(raw)
	d := purego.NewFloat64()
	defer d.Close()
	params, err := m.NewParams(d)
	must(err)
	program, err := exec.Compile(exec.Config{
		Device: d, Params: params, Batch: n, Side: m.InputSide, Build: m.Build, Training: true, NoDropout: true,
	})
	must(err)
	FillGolden(params, seed)
	must(program.Load(pixels, floats(g.Labels)))
	update := newAdam(t, d, params)
	steps := 1
	if smallNet[model] {
		steps = 3
	}
	for step := range steps {
		_, err := program.Forward()
		must(err)
		logits, err := program.Logits()
		must(err)
		exact := d.Float64(op.Buffer{Host: logits})
		if step == 0 {
			for row := range slices.Chunk(exact, len(exact)/n) {
				g.Logits = append(g.Logits, slices.Clone(row))
			}
			g.BatchNormRunning = goldenMoments(d, params)
		}
		g.Losses = append(g.Losses, meanLoss(exact, g.Labels))
		must(program.Backward(nil))
		if step == 0 {
			g.Params = goldenGradients(d, params)
		}
		update()
		if step == 0 {
			for i := range g.Params {
				g.Params[i].ValueL2AfterAdam = norm(d.Float64(params.Value(i)))
			}
		}
	}
	g.Loss = g.Losses[0]
	return g, pixels
}

// headLen is how many elements of a gradient a golden file has.
const headLen = 4

func goldenGradients(d *purego.Device, params *nn.Params) (all []GoldenParam) {
	for i, p := range params.List {
		grad := d.Float64(params.Grad(i))
		all = append(all, GoldenParam{
			Layer: p.Layer, Kind: p.Kind, Shape: p.Shape, ValueL2: norm(d.Float64(params.Value(i))),
			GradL2: norm(grad), GradSum: sum(grad), GradHead: slices.Clone(grad[:min(headLen, len(grad))]), grad: slices.Clone(grad),
		})
	}
	return all
}

func goldenMoments(d *purego.Device, params *nn.Params) (all []GoldenMoments) {
	for i := 0; i < len(params.State); i += 2 {
		all = append(all, GoldenMoments{norm(d.Float64(params.StateValue(i))), norm(d.Float64(params.StateValue(i + 1)))})
	}
	return all
}

// meanLoss is the mean cross-entropy in nats.
func meanLoss(logits []float64, labels []int) (mean float64) {
	classes := len(logits) / len(labels)
	for n, label := range labels {
		row := logits[n*classes : (n+1)*classes]
		total, largest := 0.0, slices.Max(row)
		for _, v := range row {
			total += math.Exp(v - largest)
		}
		mean += (math.Log(total) + largest - row[label]) / float64(len(labels))
	}
	return mean
}

func testLabels(t testing.TB, first, n int) (labels []int) {
	t.Helper()
	for _, l := range testSet(t).Labels[first : first+n] {
		labels = append(labels, int(l))
	}
	return labels
}
