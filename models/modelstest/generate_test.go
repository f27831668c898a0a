package modelstest

import (
	"math"
	"testing"
)

// What Generate makes for a golden file's parameters and images is that file: PyTorch's float64 and ours are one.
func TestGenerateMakesTheGoldenFiles(t *testing.T) {
	const digits = 1e-7 // the files hold nine
	for _, file := range []string{"lenet.json", "vgg-tiny-96.json", "googlenet-bn.json"} {
		want, pixels := LoadGolden(t, file)
		got, same := Generate(t, want.Model, want.Seed, want.FirstTestImage, want.Input[0])
		near := func(what string, got, want, scale float64) {
			if !(math.Abs(got-want) <= digits*math.Abs(scale)) {
				t.Errorf("%s: %s is %v, PyTorch has %v", file, what, got, want)
			}
		}
		if got.PixelsSHA256 != want.PixelsSHA256 || len(pixels) != len(same) || len(got.Params) != len(want.Params) || len(got.BatchNormRunning) != len(want.BatchNormRunning) {
			t.Fatalf("%s: %d parameters of %d, %d moments of %d", file, len(got.Params), len(want.Params), len(got.BatchNormRunning), len(want.BatchNormRunning))
		}
		for i, loss := range got.Losses {
			near("a loss", loss, want.Losses[i], want.Losses[i])
		}
		for n, row := range want.Logits {
			if got.Labels[n] != want.Labels[n] {
				t.Errorf("%s: label %d is %d, PyTorch has %d", file, n, got.Labels[n], want.Labels[n])
			}
			for c, v := range row {
				near("a logit", got.Logits[n][c], v, norm(row))
			}
		}
		for i, m := range want.BatchNormRunning {
			near("a running mean's norm", got.BatchNormRunning[i].MeanL2, m.MeanL2, m.MeanL2)
			near("a running variance's norm", got.BatchNormRunning[i].VarL2, m.VarL2, m.VarL2)
		}
		for i, p := range want.Params {
			q := got.Params[i]
			near("a value's norm", q.ValueL2, p.ValueL2, p.ValueL2)
			near("a value's norm after Adam", q.ValueL2AfterAdam, p.ValueL2AfterAdam, 1)
			scale := p.GradL2
			if p.Kind == "bias" {
				scale += 1e-3 * want.Params[i-1].GradL2 // before batch norm it is rounding alone
			}
			near("a gradient's norm", q.GradL2, p.GradL2, scale)
			near("a gradient's sum", q.GradSum, p.GradSum, scale*math.Sqrt(float64(len(q.grad))))
			for j, v := range p.GradHead {
				near("a gradient's element", q.GradHead[j], v, scale)
			}
		}
	}
}
