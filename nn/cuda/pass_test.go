//go:build gpu && cgo

package cuda

import (
	"math"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/models/modelstest"
	"ringloom/nn/exec"
)

// TestGraphsComputeWhatSingleKernelsDo trains with and without CUDA graphs, by the same algorithms: the bits must be
// the same.
func TestGraphsComputeWhatSingleKernelsDo(t *testing.T) {
	for _, precision := range []Precision{Float32, BF16} {
		var eager, graphs []float64
		var choices map[string]string
		locked(t, Options{Precision: precision, Eager: true}, func(d *Device) {
			eager = losses(t, d, "vgg-tiny-96")
			choices = d.Choices()
			if len(d.graphs) != 0 {
				t.Errorf("%d graphs where there should be none", len(d.graphs))
			}
		})
		locked(t, Options{Precision: precision}, func(d *Device) {
			d.SetChoices(choices)
			graphs = losses(t, d, "vgg-tiny-96")
			if len(d.graphs) != 2 {
				t.Errorf("%d graphs, want one of the forward and one of the backward pass", len(d.graphs))
			}
		})
		if !slices.Equal(eager, graphs) {
			t.Errorf("%s: losses %v by single kernels, %v by graphs", precision, eager, graphs)
		}
	}
}

// TestProgramsShareParameters runs programs of several batch sizes in turn, as training and evaluation do, while the
// parameters change: each must use the weights as they are.
func TestProgramsShareParameters(t *testing.T) {
	locked(t, Options{Precision: BF16}, func(d *Device) {
		m, err := models.Lookup("lenet")
		if err != nil {
			t.Fatal(err)
		}
		params, err := m.NewParams(d)
		if err != nil {
			t.Fatal(err)
		}
		var programs []*exec.Program
		for _, batch := range []int{4, 2} {
			p, err := exec.Compile(exec.Config{Device: d, Params: params, Batch: batch, Side: m.InputSide, Build: m.Build})
			if err != nil {
				t.Fatal(err)
			}
			programs = append(programs, p)
		}
		loss := func(p *exec.Program) float64 {
			pixels, labels := make([]float32, p.Batch()*m.InputSide*m.InputSide), make([]float32, p.Batch())
			for i := range pixels {
				pixels[i] = float32(i%(m.InputSide*m.InputSide)%7) / 7 // all images are the same
			}
			if err := p.Load(pixels, labels); err != nil {
				t.Fatal(err)
			}
			stats, err := p.Forward()
			if err != nil {
				t.Fatal(err)
			}
			return stats.Loss
		}
		seen := map[float64]bool{}
		for seed := range uint64(4) {
			modelstest.FillGolden(params, seed)
			if err := params.Push(); err != nil {
				t.Fatal(err)
			}
			a, b := loss(programs[0]), loss(programs[1])
			if math.Abs(a-b) > 1e-2*a || seen[a] { // batches of other sizes may be computed by other algorithms
				t.Errorf("seed %d: losses %v and %v, before %v", seed, a, b, seen)
			}
			seen[a] = true
		}
	})
}

func TestTraceNamesEveryKernel(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		m, err := models.Lookup("lenet")
		if err != nil {
			t.Fatal(err)
		}
		params, err := m.NewParams(d)
		if err != nil {
			t.Fatal(err)
		}
		p, err := exec.Compile(exec.Config{Device: d, Params: params, Batch: 2, Side: m.InputSide, Build: m.Build, Training: true})
		if err != nil {
			t.Fatal(err)
		}
		traced, err := d.Trace(func() error {
			if _, err := p.Forward(); err != nil {
				return err
			}
			return p.Backward(nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]bool{}
		for _, k := range traced {
			kinds[k.Spec.Kind()] = true
			if k.Name == "" || k.Time <= 0 {
				t.Errorf("%s: kernel %q took %v", k.Spec.Kind(), k.Name, k.Time)
			}
		}
		specs, err := exec.Specs(m.Build, m.InputSide, 2, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range specs {
			if !kinds[s.Kind()] {
				t.Errorf("no kernel of %s was traced", s.Kind())
			}
		}
	})
}
