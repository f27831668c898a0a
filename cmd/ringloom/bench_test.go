package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ringloom/bench/step"
	"ringloom/nn/onednn"
)

// The names and units of the JSON form are part of the command's interface: the help must name every one.
func TestBenchStepDocumentsItsFields(t *testing.T) {
	long := benchStepCommand().Long
	for _, form := range []reflect.Type{reflect.TypeFor[step.Result](), reflect.TypeFor[step.Op](), reflect.TypeFor[step.Error]()} {
		for i := range form.NumField() {
			name, _, _ := strings.Cut(form.Field(i).Tag.Get("json"), ",")
			if name == "" || !strings.Contains(long, name) {
				t.Errorf("the help does not mention %s (%q)", form.Field(i).Name, name)
			}
		}
	}
}

func TestBenchStep(t *testing.T) {
	needData(t)
	args := []string{"bench", "step", "--device", "purego", "--threads", "1", "--batch", "4", "--steps", "2"}
	code, output, _ := ringloom(t, append(args, "--json")...)
	var r step.Result
	if err := json.Unmarshal([]byte(output), &r); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v:\n%s", code, err, output)
	}
	if r.Model != "lenet" || r.Batch != 4 || r.Steps != 2 || r.Data != step.DataReal || r.ImagesPerSecond <= 0 || len(r.Kinds) == 0 || r.Ops != nil {
		t.Errorf("%+v", r)
	}
	if r.Error == nil || r.Error.Images != 4 || r.Error.LargestGradient > 1e-5 {
		t.Errorf("the error is %+v", r.Error)
	}
	if r.PeakFLOPsPerSecond != nil {
		t.Errorf("purego has a peak of %v", *r.PeakFLOPsPerSecond)
	}
	code, output, _ = ringloom(t, append(args, "--ops")...)
	for _, says := range []string{"lenet, batch 4 of Fashion-MNIST", "images/s", "peak unknown", "error       logits", "by the first 4 images", "conv 4x28x28x1 -> 4x28x28x6"} {
		if code != 0 || !strings.Contains(output, says) {
			t.Errorf("exit code %d, does not say %q:\n%s", code, says, output)
		}
	}
}

// The error is measured unless somebody asks for none, and strict sums are those of the definition.
func TestBenchStepOfStrictSums(t *testing.T) {
	needData(t)
	args := []string{"bench", "step", "--threads", "1", "--batch", "4", "--steps", "1", "--precision", "strict", "--json"}
	code, output, _ := ringloom(t, append(args, "--error-images", "-1")...)
	if code != 0 || !strings.Contains(output, `"precision":"strict"`) == (onednn.Available() == nil) || !strings.Contains(output, `"error":null`) {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

// A folder that was asked for is not replaced by random pixels.
func TestBenchStepOnAbsentData(t *testing.T) {
	dir := t.TempDir()
	start(t, t.TempDir(), "bench", "step", "--data", dir).wantExit(exitData, dir)
	t.Setenv("RINGLOOM_DATA", dir)
	start(t, t.TempDir(), "bench", "step").wantExit(exitData, dir)
}
