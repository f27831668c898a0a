package exec_test

import (
	"testing"

	"ringloom/models"
	"ringloom/nn/exec"
	"ringloom/nn/purego"
)

// BenchmarkLenetPurego is a training step at batch 256, without the optimizer.
func BenchmarkLenetPurego(b *testing.B) {
	d := purego.New()
	defer d.Close()
	m, err := models.Lookup("lenet")
	if err != nil {
		b.Fatal(err)
	}
	params, err := m.NewParams(d)
	if err != nil {
		b.Fatal(err)
	}
	params.Init(1)
	const batch = 256
	p, err := exec.Compile(exec.Config{
		Device: d, Params: params, Batch: batch, Side: m.InputSide, Build: m.Build, Training: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	fill(p)
	b.ReportAllocs()
	for b.Loop() {
		step(b, p, nil)
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(float64(p.ActivationBytes())/1e6, "activation-MB")
}
