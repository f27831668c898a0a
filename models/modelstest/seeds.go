package modelstest

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn/op"
)

// Other parameters and images than those of the golden files: so many seeds, from the first one on, each with images
// of its own.
const (
	otherSeeds = 20
	firstSeed  = 101
	seedImages = 331 // test images from seed to seed
)

// seedBounds are how far steps from other seeds may be off (docs/decisions/0011-golden-tolerances-of-deep-networks.md
// has what was seen). Where a rounded sum decides which way a gradient goes, in a ReLU or max pooling, the gradient
// of a few images jumps, whatever the kernel; so single seeds are bounded by what some jumps make, and what half of
// the seeds stay within more closely.
type seedBounds struct {
	logits             float64 // any of any seed
	relative           float64 // the gradient of any parameter of any seed
	all, usualRelative float64 // the whole gradient, and the median over the parameters: for the median seed
}

// boundsOf is for a network with or without batch norm, or without anything that decides.
func boundsOf(m models.Spec) seedBounds {
	switch {
	case m.Name == "lenet": // sigmoids and average pooling
		return seedBounds{logits: 5e-6, relative: 2e-5, all: 2e-6, usualRelative: 2e-6}
	case m.Name == "googlenet-bn" || m.Name == "googlenet-res": // whose division by a small deviation makes errors larger
		return seedBounds{logits: 2e-3, relative: 0.2, all: 3e-2, usualRelative: 3e-2}
	}
	return seedBounds{logits: 2e-5, relative: 0.1, all: 4e-3, usualRelative: 1e-3}
}

// Kind is a way to compute that OtherSeeds holds against float64.
type Kind struct {
	Name string
	// New opens a device for a model, which OtherSeeds closes.
	New func(t testing.TB, m models.Spec) op.Device
}

// OtherSeeds holds steps from other parameters, on other images, of every model that has a golden file against the
// plain device in float64. It takes minutes.
func OtherSeeds(t *testing.T, kinds []Kind) {
	for _, file := range GoldenFiles(t) {
		kept, _ := LoadGolden(t, file)
		m, err := models.Lookup(kept.Model)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(m.Name, func(t *testing.T) {
			found := make([][]StepErrors, len(kinds))
			for seed := range otherSeeds {
				g, pixels := Generate(t, m.Name, uint64(firstSeed+seed), seedImages*(1+seed), kept.Input[0])
				for i, kind := range kinds {
					t.Run(fmt.Sprint(g.Seed, " ", kind.Name), func(t *testing.T) {
						runtime.LockOSThread()
						defer runtime.UnlockOSThread()
						d := kind.New(t, m)
						defer d.Close()
						found[i] = append(found[i], MeasureStep(t, d, g, pixels))
					})
				}
			}
			for i, kind := range kinds {
				boundsOf(m).check(t, kind.Name, found[i])
			}
		})
	}
}

func (b seedBounds) check(t *testing.T, kind string, found []StepErrors) {
	each := func(field func(StepErrors) float64) (median, largest float64) {
		var all []float64
		for _, f := range found {
			all = append(all, field(f))
		}
		slices.Sort(all)
		return all[len(all)/2], all[len(all)-1]
	}
	hold := func(what string, got, bound float64) {
		if !(got <= bound) {
			t.Errorf("%s: %s is %.2g, allowed %.2g", kind, what, got, bound)
		}
	}
	_, logits := each(func(e StepErrors) float64 { return e.Logits })
	_, relative := each(func(e StepErrors) float64 { return e.Relative })
	usual, _ := each(func(e StepErrors) float64 { return e.MedianRelative })
	all, worst := each(func(e StepErrors) float64 { return e.AllRelative })
	hold("the largest error of a logit", logits, b.logits)
	hold("the largest relative error of a parameter's gradient", relative, b.relative)
	hold("the usual relative error of a parameter's gradient", usual, b.usualRelative)
	hold("the usual relative error of all gradients", all, b.all)
	t.Logf("%-10s logits %.1e; gradients: all %.1e, up to %.1e; a parameter's %.1e, up to %.1e", kind, logits, all, worst, usual, relative)
}

// MeasureStep computes a model's first training steps on a device, and says how far they are off from a golden file's
// or Generate's. It fails for what is no step of that model, not for errors.
func MeasureStep(t *testing.T, d op.Device, g Golden, pixels []float32) StepErrors {
	all := math.Inf(1)
	return goldenStep(t, d, g, pixels, GoldenTolerance{Loss: all, Forward: all, Backward: all, Element: all, Adam: all})
}
