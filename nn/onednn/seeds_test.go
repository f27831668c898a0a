//go:build onednn && cgo

package onednn

import (
	"os"
	"testing"

	"ringloom/models"
	"ringloom/models/modelstest"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// Strict sums, what the rule over shapes says, and of every convolution the coarsest algorithm that there is.
func TestOtherSeeds(t *testing.T) {
	if os.Getenv("RINGLOOM_TEST_LONG") != "1" {
		t.Skip("SKIPPED: RINGLOOM_TEST_LONG=1 holds steps from 20 other seeds, on other images, against float64")
	}
	modelstest.OtherSeeds(t, []modelstest.Kind{
		{Name: "strict", New: func(t testing.TB, _ models.Spec) op.Device { return mustOpen(t, Options{Threads: 2, Strict: true}) }},
		{Name: "rule", New: func(t testing.TB, _ models.Spec) op.Device { return mustOpen(t, Options{Threads: 2}) }},
		{Name: "coarsest", New: func(t testing.TB, m models.Spec) op.Device {
			d := mustOpen(t, Options{Threads: 2})
			specs, err := exec.Specs(m.Build, m.InputSide, 2, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range specs {
				for _, a := range d.candidates(spec) { // tiles grow
					if a.winograd() {
						d.choices[tuneKey(spec)] = a
					}
				}
			}
			return d
		}},
	})
}

func mustOpen(t testing.TB, o Options) *Device {
	t.Helper()
	d, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
