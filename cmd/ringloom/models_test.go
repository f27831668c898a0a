package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ringloom/models"
	"ringloom/nn"
	"ringloom/nn/exec"
	"ringloom/nn/op"
)

func TestModelsList(t *testing.T) {
	code, output, _ := ringloom(t, "models", "--batch", "8", "--json")
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if code != 0 || len(lines) != len(models.Names()) {
		t.Fatalf("exit code %d, %d lines for %d models:\n%s", code, len(lines), len(models.Names()), output)
	}
	for i, name := range models.Names() {
		var r modelRow
		if err := json.Unmarshal([]byte(lines[i]), &r); err != nil {
			t.Fatal(err)
		}
		if r.Model != name || r.Batch != 8 || r.Parameters == 0 || r.ActivationBytes == 0 {
			t.Errorf("%+v", r)
		}
		// Backward costs twice forward, less the gradient of the images.
		if r.TrainingFLOPs <= 2*r.ForwardFLOPs || r.TrainingFLOPs >= 3*r.ForwardFLOPs {
			t.Errorf("%s: %d FLOPs forward, %d in a training step", name, r.ForwardFLOPs, r.TrainingFLOPs)
		}
	}
}

// The figures of AlexNet are those that the course works out for one channel and 224 pixels.
func TestModelsDescribe(t *testing.T) {
	code, output, _ := ringloom(t, "models", "--describe", "alexnet")
	for _, says := range []string{
		"11712           67.74       0  Conv2d output shape: 1 x 96 x 54 x 54\n",
		"  2  MaxPool2d output shape: 1 x 96 x 26 x 26\n",
		"  13  Flatten output shape: 1 x 6400\n",
		"  19  Dropout output shape: 1 x 4096\n",
		"  20  Linear output shape: 1 x 10\n",
		"46764746 parameters in 16 tensors",
	} {
		if code != 0 || !strings.Contains(output, says) {
			t.Errorf("exit code %d, does not say %q:\n%s", code, says, output)
		}
	}
	// A block has the sums of its layers and the shape of the last.
	_, output, _ = ringloom(t, "models", "--describe", "vgg11")
	for _, says := range []string{" 0.2  MaxPool2d output shape: 1 x 64 x 112 x 112\n         640           57.80       0  Sequential output shape: 1 x 64 x 112 x 112\n", "4  Sequential output shape: 1 x 512 x 7 x 7\n"} {
		if !strings.Contains(output, says) {
			t.Errorf("does not say %q:\n%s", says, output)
		}
	}
}

// Two ways to count a training step must agree: from the layers, and from the operations of the differentiated graph.
func TestTrainingFLOPsAreThoseOfTheProgram(t *testing.T) {
	for _, name := range models.Names() {
		model, err := models.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := nn.Inspect(model.InputSide, model.Build)
		if err != nil {
			t.Fatal(err)
		}
		device := &countingDevice{}
		params, err := model.NewParams(device)
		if err != nil {
			t.Fatal(err)
		}
		p, err := exec.Compile(exec.Config{Device: device, Params: params, Batch: 1, Side: model.InputSide, Build: model.Build, Training: true})
		if err != nil {
			t.Fatal(err)
		}
		if forward, backward := p.FLOPs(); trainingFLOPs(info.Layers) != forward+backward {
			t.Errorf("%s: %d from the layers, %d+%d in the program", name, trainingFLOPs(info.Layers), forward, backward)
		}
	}
}

// countingDevice compiles everything and runs nothing.
type countingDevice struct{}

func (*countingDevice) Name() string                       { return "counting" }
func (*countingDevice) Description() string                { return "compiles and runs nothing" }
func (*countingDevice) Compile(op.Spec) (op.Kernel, error) { return nil, nil }
func (*countingDevice) Alloc(n int) (op.Buffer, error) {
	return op.Buffer{Host: make([]float32, n)}, nil
}
func (*countingDevice) Close() error { return nil }
