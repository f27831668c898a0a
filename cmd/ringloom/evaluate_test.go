package main

import (
	"slices"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/acceltest"
	"ringloom/nn/purego"
)

// Evaluation on an accelerator, which resizes the images itself, keeps the same pixels and comes to the same numbers.
func TestEvaluationOnAnAccelerator(t *testing.T) {
	needData(t)
	sets, err := loadData(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	var results [2]evaluation
	for i, device := range []nn.Device{purego.New(), acceltest.New()} {
		defer device.Close()
		spec, err := models.Lookup("vgg-tiny-96")
		if err != nil {
			t.Fatal(err)
		}
		params, err := spec.NewParams(device)
		if err != nil {
			t.Fatal(err)
		}
		if err := params.Init(3); err != nil {
			t.Fatal(err)
		}
		e := evaluation{spec: spec, device: device, params: params, n: 5, batch: 3, keep: true}
		if err := e.run(t.Context(), sets.Test); err != nil {
			t.Fatal(err)
		}
		results[i] = e
	}
	a, b := results[0], results[1]
	if a.lossSum != b.lossSum || a.correct != b.correct || !slices.Equal(a.logits, b.logits) || !slices.Equal(a.pixels, b.pixels) || len(b.pixels) != 5*96*96 {
		t.Errorf("on the host %v, %d right, on the accelerator %v, %d right", a.lossSum, a.correct, b.lossSum, b.correct)
	}
}
