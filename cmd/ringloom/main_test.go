package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringloom/checkpoint"
	"ringloom/report"
)

func TestUnusableCheckpointHasTheDataExitCode(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.safetensors")
	if err := os.WriteFile(garbage, []byte("no checkpoint"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.safetensors")
	err := report.WriteFileAtomic(other, func(w io.Writer) error { return checkpoint.Write(w, checkpoint.Meta{Model: "alexnet"}, nil) })
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "absent"): "no such file",
		garbage:                      "not a valid checkpoint",
		other:                        "it holds alexnet, not lenet",
	} {
		start(t, dir, "train", "--expect", "2", "--device", "purego", "--init", path).wantExit(exitData, "--init", says)
	}
}

// Every mistake of the command line ends with one clear line and the usage exit code, before anything is opened.
func TestMistakesInTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	train := []string{"train", "--expect", "2", "--device", "purego"}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"trian"}, `unknown command "trian"`},
		{[]string{"help", "trian"}, `unknown command "trian"`},
		{[]string{"bench", "stpe"}, `unknown command "stpe" for "ringloom bench"`},
		{[]string{"help", "bench", "stpe"}, `unknown command "stpe" for "ringloom bench"`},
		{[]string{"train"}, "--expect 0"},
		{[]string{"train", "--expect", "many"}, "many"},
		{[]string{"train", "stray"}, `"stray"`},
		{[]string{"launch", "-n", "0"}, "-n 0"},
		{[]string{"launch", "--epochs", "3"}, "--epochs"},
		{append(train, "--model", "resnet"), "choose one of alexnet"},
		{append(train, "--optimizer", "lion"), "adam, adamw, sgd"},
		{append(train, "--momentum", "0.5"), "--momentum has no effect without --optimizer sgd"},
		{append(train, "--optimizer", "sgd", "--beta1", "0.5"), "--beta1 has no effect without --optimizer adam"},
		{append(train, "--gamma", "0.5"), "--schedule step"},
		{append(train, "--min-lr", "0.5"), "--schedule cosine"},
		{append(train, "--flip"), "--flip has no effect without --augment"},
		{append(train, "--bucket-bytes", "1.5"), `"--bucket-bytes" flag: "1.5" is no size`},
		{append(train, "--accumulate", "0"), "--accumulate 0"},
		{append(train, "--accumulate", "129"), "without a sample"},
		{append(train, "--global-batch", "60001"), "training set of 60000"},
		{append(train, "--global-batch", "1"), "2 ranks"},
		{append(train, "--bind", "nowhere"), "--bind"},
		{append(train, "--bind", "::1:7946"), "[::]:7946"},
		{append(train, "--advertise", "10.0.0.1:7946"), "the port is that of --bind"},
		{append(train, "--log", "xml"), "--log"},
		{append(train, "--key-file", filepath.Join(dir, "absent")), "--key-file"},
		{[]string{"train", "--expect", "2", "--device", "tpu"}, "auto, cpu, cuda, purego"},
		{[]string{"train", "--expect", "2", "--device", "cuda"}, "without CUDA"},
		{[]string{"data", "--per-class", "0"}, "--per-class"},
		{[]string{"data", "--augment"}, "--sheet"},
		{[]string{"data", "--crop-padding", "1"}, "--augment"},
		{[]string{"models", "--batch", "0"}, "--batch 0"},
		{[]string{"models", "--describe", "resnet"}, "choose one of"},
		{[]string{"bench", "step", "--model", "resnet"}, "choose one of"},
		{[]string{"bench", "step", "--batch", "-1"}, "--batch -1"},
		{[]string{"bench", "step", "--batch", "60001"}, "60000 images"},
		{[]string{"bench", "step", "--threads", "-1"}, "--threads -1"},
		{[]string{"models", "--batch", "99999999999"}, "--batch 99999999999: alexnet"},
		{append(train, "--run-dir", "/dev/null/run"), "/dev/null is no folder"},
		{append(train, "--join-timeout", "0s"), "--join-timeout 0s"},
		{append(train, "--ring-deadline", "-1s"), "--ring-deadline -1s"},
		{[]string{"evaluate", "--init", "some", "--logits", "x.npy", "--pixels", "./x.npy"}, "both name x.npy"},
		{[]string{"bench", "step", "--steps", "-1"}, "--steps -1"},
		{[]string{"bench", "step", "--device", "tpu"}, "auto, cpu, cuda, purego"},
		{append(train, "--precision", "tf32"), "--precision tf32 is a GPU's"},
		{append(train, "--device-memory", "1GiB"), "--device-memory 1GiB is a GPU's"},
		{[]string{"train", "--expect", "2", "--device", "cuda:one"}, "nvidia-smi -L"},
		{[]string{"bench", "step", "--device", "cuda", "--precision", "fp8"}, "tf32, float32, strict, bf16"},
	} {
		if slices.Contains(c.args, "--key-file") || slices.Contains(c.args, "60001") {
			needData(t)
		}
		code, output, last := ringloom(t, c.args...)
		if code != exitUsage || !strings.Contains(last, c.says) {
			t.Errorf("%v: exit code %d, %q; want %d and %q", c.args, code, last, exitUsage, c.says)
		}
		if strings.Contains(output, "goroutine ") {
			t.Errorf("%v: a stack trace", c.args)
		}
	}
}

func TestUnusableDataHasItsOwnExitCode(t *testing.T) {
	dir := t.TempDir()
	code, _, last := ringloom(t, "data", "--data", dir)
	if code != exitData || !strings.Contains(last, "--data "+dir+" has none of its files") {
		t.Errorf("empty folder: exit code %d, %q", code, last)
	}
	for _, name := range []string{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte{0, 0, 8, 3, 0, 0}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"data", "--data", dir}, {"train", "--expect", "1", "--data", dir, "--device", "purego"}} {
		code, output, last := ringloom(t, args...)
		if code != exitData || !strings.Contains(last, "idx") || strings.Contains(output, "goroutine ") {
			t.Errorf("%v: exit code %d, %q", args, code, last)
		}
	}
}

func TestRunDirectoryIsNotOverwritten(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := filepath.Join(t.TempDir(), "run")
	args := append([]string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--offline", "--threads", "1", "--run-dir", dir}, quick...)
	start(t, t.TempDir(), args...).wantExit(0)
	start(t, t.TempDir(), args...).wantExit(exitUsage, "holds a run already")
	start(t, t.TempDir(), append(args[:len(args):len(args)], "--run-dir", dir+"-2", "--init", filepath.Join(dir, "final.safetensors"))...).wantExit(0)
}

func TestCommandsThatTeach(t *testing.T) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--help"}, []string{"launch -n 2", "Exit codes:", "130  "}},
		{[]string{"train", "--help"}, []string{"--expect", "--join", envKey}},
		{[]string{"launch", "--help"}, []string{"-n 4"}},
		{[]string{"models"}, []string{"lenet", "61706"}},
		{[]string{"version"}, []string{"ringloom", "purego"}},
	} {
		code, output, _ := ringloom(t, c.args...)
		for _, s := range c.says {
			if code != 0 || !strings.Contains(output, s) {
				t.Errorf("%v: exit code %d, does not say %q:\n%s", c.args, code, s, output)
			}
		}
	}
}

// NATS carries the token as text: other bytes would be refused by the very server that was started with them.
func TestTokenMustBeText(t *testing.T) {
	for token, want := range map[string]bool{"": true, "s3cret, ünd so": true, "\xff\xfe": false} {
		t.Setenv(envToken, token)
		if got, err := new(clusterFlags).natsToken(); (err == nil) != want || want && got != token {
			t.Errorf("token %q: got %q, %v", token, got, err)
		}
	}
}
