//go:build onednn && cgo

package onednn

import (
	"maps"
	"runtime"
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

// A choice is found for every operation that has several algorithms, holds at other batches, and decides what is
// compiled.
func TestTunedChoicesAreFollowed(t *testing.T) {
	m, err := models.Lookup("lenet")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := exec.Specs(m.Build, m.InputSide, 4, true)
	if err != nil {
		t.Fatal(err)
	}
	d := opened(t, Options{})
	if err := d.Tune(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	chosen := d.Choices()
	tuned := 0
	for _, spec := range specs {
		all := d.candidates(spec)
		if len(all) < 2 {
			continue
		}
		tuned++
		// Give every operation its last candidate, whatever was fastest.
		last := all[len(all)-1]
		d.SetChoices(map[string]string{tuneKey(spec): last.String()})
		if got := d.choose(atBatch(spec, 3)); got != last {
			t.Errorf("%s %v: %v is compiled, %v was chosen", spec.Kind(), spec, got, last)
		}
		if !slices.ContainsFunc(all, func(a algorithm) bool { return a.String() == chosen[tuneKey(spec)] }) {
			t.Errorf("%s %v: %q is none of its algorithms %v", spec.Kind(), spec, chosen[tuneKey(spec)], all)
		}
	}
	if tuned == 0 || len(chosen) != tuned {
		t.Errorf("%d choices for %d operations with several algorithms", len(chosen), tuned)
	}
	other := opened(t, Options{})
	other.SetChoices(d.Choices())
	other.SetChoices(map[string]string{"conv of another day": "by hand"})
	if !maps.Equal(other.Choices(), d.Choices()) {
		t.Error("choices change on their way to another device")
	}
}

func TestDirectPinsTheAlgorithm(t *testing.T) {
	d := opened(t, Options{Direct: true})
	for _, spec := range []op.Spec{op.ConvForward{Conv: op.Conv{
		Src: op.Image{N: 1, H: 12, W: 12, C: 64}, Dst: op.Image{N: 1, H: 12, W: 12, C: 64}, KernelH: 3, KernelW: 3,
		StrideH: 1, StrideW: 1, PadH: 1, PadW: 1,
	}}} {
		if err := d.Tune(t.Context(), []op.Spec{spec}); err != nil {
			t.Fatal(err)
		}
		if a := d.choose(spec); a != direct || len(d.Choices()) != 0 {
			t.Errorf("%v: %v, with choices %v", spec, a, d.Choices())
		}
	}
}

// Nothing that a strict device may choose, by trying, by rule or because a device that is not strict has remembered
// it, is Winograd's.
func TestStrictSumsAreThoseOfTheDefinition(t *testing.T) {
	m, err := models.Lookup("googlenet")
	if err != nil {
		t.Fatal(err)
	}
	specs, err := exec.Specs(m.Build, m.InputSide, 2, true)
	if err != nil {
		t.Fatal(err)
	}
	d, fast := opened(t, Options{Strict: true}), opened(t, Options{})
	if d.Machine() == fast.Machine() || d.Precision() != "strict" || fast.Precision() != "float32" {
		t.Errorf("%s (%s) and %s (%s) would share a memory of choices", d.Machine(), d.Precision(), fast.Machine(), fast.Precision())
	}
	others := 0
	for _, spec := range specs {
		if !slices.Contains(d.candidates(spec), d.rules().choose(spec)) {
			t.Errorf("%s %v: the rule says %v, which is none of %v", spec.Kind(), spec, d.rules().choose(spec), d.candidates(spec))
		}
		for _, a := range fast.candidates(spec) {
			if a.winograd() {
				others++
				d.SetChoices(map[string]string{tuneKey(spec): a.String()})
				if got := d.choose(spec); got.winograd() {
					t.Errorf("%s %v: %v is compiled", spec.Kind(), spec, got)
				}
			}
		}
		if slices.ContainsFunc(d.candidates(spec), algorithm.winograd) || (rules{avx512: true, strict: true}).choose(spec).winograd() {
			t.Errorf("%s %v: %v", spec.Kind(), spec, d.candidates(spec))
		}
	}
	if fast.rules().avx512 && others == 0 {
		t.Error("no operation has a Winograd algorithm: nothing was tested")
	}
}

func opened(t *testing.T, o Options) *Device {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	d, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
