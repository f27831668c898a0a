package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ringloom/checkpoint"
	"ringloom/models"
	"ringloom/nn/purego"
	"ringloom/report"
	"ringloom/run"
)

// writeModel writes a checkpoint of a model that was never trained, with running moments that matter.
func writeModel(t *testing.T, model string) (path string) {
	t.Helper()
	device := purego.New()
	defer device.Close()
	spec, err := models.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	params, err := spec.NewParams(device)
	if err != nil {
		t.Fatal(err)
	}
	params.Init(1)
	for i, s := range params.State {
		for j := range params.StateValue(i).Host {
			params.StateValue(i).Host[j] = float32(j%5-2) / 100
			if s.Kind == "running_var" { // small, as activations are before training: they must not die out
				params.StateValue(i).Host[j] = float32(j%5+1) / 100
			}
		}
	}
	path = filepath.Join(t.TempDir(), model+".safetensors")
	err = report.WriteFileAtomic(path, func(w io.Writer) error {
		return checkpoint.Write(w, checkpoint.Meta{Model: model}, run.StateDict(params, 7))
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEvaluateFindsWhatTrainingFound(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := filepath.Join(t.TempDir(), "run")
	start(t, t.TempDir(), append([]string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--offline", "--run-dir", dir}, quick...)...).wantExit(0)
	code, output, last := ringloom(t, "evaluate", "--init", filepath.Join(dir, "final.safetensors"), "--offline")
	right := int(readMetrics(t, dir)[0].TestAccuracy*10000 + 0.5)
	if code != 0 || !strings.HasPrefix(last, "lenet: 10000 test images, loss ") || !strings.HasSuffix(last, fmt.Sprintf("(%d right)", right)) {
		t.Errorf("exit code %d, %q; training had %d right", code, output, right)
	}
}

// The batches of a forward pass are no part of the result, and the arrays hold it.
func TestEvaluateWritesArrays(t *testing.T) {
	needData(t)
	model := writeModel(t, "lenet")
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	var accuracies [2]string
	for i, flags := range [][]string{{"--batch", "7", "--logits", path("a.csv"), "--pixels", path("p.npy")}, {"--batch", "20", "--logits", path("b.csv")}} {
		code, output, last := ringloom(t, append([]string{"evaluate", "--init", model, "--images", "20", "--offline"}, flags...)...)
		if code != 0 {
			t.Fatalf("evaluation %d: %s", i, output)
		}
		_, accuracy, found := strings.Cut(last, "accuracy ")
		if !found {
			t.Fatalf("evaluation %d: no accuracy in %q", i, last)
		}
		accuracies[i] = accuracy
	}
	if accuracies[0] != accuracies[1] {
		t.Errorf("batches of 7: %s; of 20: %s", accuracies[0], accuracies[1])
	}
	rows := [2][][]string{}
	for i, name := range []string{"a.csv", "b.csv"} {
		content, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		if rows[i], err = csv.NewReader(bytes.NewReader(content)).ReadAll(); err != nil || len(rows[i]) != 20 || len(rows[i][0]) != 10 {
			t.Fatalf("%s: %d rows, %v", name, len(rows[i]), err)
		}
	}
	for n := range rows[0] {
		for c := range rows[0][n] {
			a, errA := strconv.ParseFloat(rows[0][n][c], 32)
			b, errB := strconv.ParseFloat(rows[1][n][c], 32)
			if err := errors.Join(errA, errB); err != nil || a-b > 1e-5 || b-a > 1e-5 {
				t.Errorf("logit %d of image %d is %v and %v, %v", c, n, a, b, err)
			}
		}
	}
	pixels, err := os.ReadFile(path("p.npy"))
	if err != nil {
		t.Fatal(err)
	}
	const headerBytes = 128
	want := "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (20, 1, 28, 28,), }"
	if !strings.HasPrefix(string(pixels), want) || len(pixels) != headerBytes+4*20*28*28 || pixels[headerBytes-1] != '\n' {
		t.Errorf("p.npy has %d bytes and begins %q", len(pixels), pixels[:headerBytes])
	}
}

func TestMistakesInInterchange(t *testing.T) {
	model := writeModel(t, "lenet")
	dir := t.TempDir()
	pickle := filepath.Join(dir, "model.pt")
	if err := os.WriteFile(pickle, []byte("PK\x03\x04\x00\x00\x08\x08\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	anonymous := filepath.Join(dir, "anonymous.safetensors")
	err := report.WriteFileAtomic(anonymous, func(w io.Writer) error { return checkpoint.Write(w, checkpoint.Meta{}, nil) })
	if err != nil {
		t.Fatal(err)
	}
	onnx := filepath.Join(dir, "model.onnx")
	for _, c := range []struct {
		code int
		args []string
		says string
	}{
		{exitUsage, []string{"evaluate"}, "--init"},
		{exitData, []string{"evaluate", "--init", pickle}, "model.pt: not a valid checkpoint: it is a pickle of torch.save"},
		{exitUsage, []string{"evaluate", "--init", anonymous}, "give --model"},
		{exitData, []string{"evaluate", "--init", anonymous, "--model", "lenet"}, `lenet's tensor "0.weight" [6 1 5 5] is missing (and 9 more)`},
		{exitData, []string{"evaluate", "--init", model, "--model", "nin"}, "it holds lenet, not nin"},
		{exitUsage, []string{"evaluate", "--init", model, "--model", "resnet"}, "choose one of alexnet"},
		{exitUsage, []string{"evaluate", "--init", model, "--logits", "logits.txt"}, "choose .npy or .csv"},
		{exitUsage, []string{"evaluate", "--init", model, "--batch", "0"}, "--batch 0"},
		{exitUsage, []string{"evaluate", "--init", model, "--deterministic-kernels", "fast"}, "choose direct or rule"},
		{exitUsage, []string{"export", "--init", model}, "--output"},
		{exitUsage, []string{"export", "--init", model, "--output", "model.pb"}, "ends in .onnx"},
		{exitUsage, []string{"export", "--init", model, "--output", onnx, "--batch", "some"}, `--batch "some"`},
		{exitData, []string{"export", "--init", pickle, "--output", onnx}, "torch.save"},
	} {
		code, output, last := ringloom(t, c.args...)
		if code != c.code || !strings.Contains(last, c.says) || strings.Contains(output, "goroutine ") {
			t.Errorf("%v: exit code %d, %q; want %d and %q", c.args, code, last, c.code, c.says)
		}
	}
	if _, err := os.Stat(onnx); !os.IsNotExist(err) {
		t.Error("a failed export leaves a file behind")
	}
}

// ONNX Runtime, the reader that most people have, computes our logits from our files.
func TestOnnxRuntimeAgrees(t *testing.T) {
	needData(t)
	script, err := filepath.Abs("../../compare/pytorch/check_onnx.cjs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed: nobody reads the exported ONNX files back")
	}
	const notInstalled = 3
	var exit *exec.ExitError
	if err := exec.Command("node", script).Run(); errors.As(err, &exit) && exit.ExitCode() == notInstalled {
		t.Skip("the npm package onnxruntime-node is not installed (NODE_PATH): nobody reads the exported ONNX files back")
	}
	for _, model := range []string{"lenet", "googlenet-bn", "googlenet-res"} {
		t.Run(model, func(t *testing.T) {
			init := writeModel(t, model)
			dir := t.TempDir()
			file, logits, pixels := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "l.npy"), filepath.Join(dir, "p.npy")
			for _, args := range [][]string{
				{"evaluate", "--init", init, "--images", "9", "--batch", "9", "--logits", logits, "--pixels", pixels, "--device", "purego", "--offline"},
				{"export", "--init", init, "--output", file},
			} {
				if code, output, _ := ringloom(t, args...); code != 0 {
					t.Fatalf("%v: exit code %d: %s", args, code, output)
				}
			}
			output, err := exec.Command("node", script, file, pixels, logits).CombinedOutput()
			if err != nil || !strings.Contains(string(output), "agrees") {
				t.Errorf("%v: %s", err, output)
			}
			t.Logf("%s", output)
		})
	}
}
