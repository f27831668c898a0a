package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringloom/checkpoint"
	"ringloom/report"
)

// Files that cannot be written are found before anything is computed, with the code of a mistake in the command line.
func TestOutputsAreCheckedFirst(t *testing.T) {
	folder := t.TempDir()
	nowhere := func(name string) string { return filepath.Join(folder, "missing", name) }
	// None of the inputs is there: they would be an error of the data.
	for _, c := range []struct {
		flag string
		args []string
	}{
		{"--logits", []string{"evaluate", "--init", "absent", "--logits", nowhere("l.npy")}},
		{"--pixels", []string{"evaluate", "--init", "absent", "--pixels", nowhere("p.csv")}},
		{"--output", []string{"export", "--init", "absent", "--output", nowhere("m.onnx")}},
		{"--sheet", []string{"data", "--data", "absent", "--sheet", nowhere("s.png")}},
		{"--html", []string{"bench", "scaling", "--data", "absent", "--html", nowhere("s.html")}},
		{"--trace", []string{"train", "--expect", "1", "--data", "absent", "--trace", nowhere("t.json")}},
	} {
		code, _, last := ringloom(t, c.args...)
		if code != exitUsage || !strings.Contains(last, c.flag) || !strings.Contains(last, "there is no folder") {
			t.Errorf("%v: exit code %d, %q", c.args, code, last)
		}
	}
	named := filepath.Join(folder, "a.npy")
	if err := os.Mkdir(named, 0o700); err != nil {
		t.Fatal(err)
	}
	code, _, last := ringloom(t, "evaluate", "--init", "absent", "--logits", named)
	if code != exitUsage || !strings.Contains(last, "it is a folder") {
		t.Errorf("exit code %d, %q", code, last)
	}
}

// Another program's metadata never beats a flag.
func TestMetadataOfAnotherProgram(t *testing.T) {
	needData(t)
	other, err := filepath.Abs("testdata/lenet-metadata-of-another-program.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	evaluate := []string{"evaluate", "--init", other, "--offline", "--images", "100"}
	if code, output, last := ringloom(t, append(evaluate, "--model", "lenet")...); code != 0 || !strings.Contains(last, "lenet: 100 test images") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if code, _, last := ringloom(t, evaluate...); code != exitUsage || !strings.Contains(last, "give --model") || strings.Contains(last, "LeNet-5") {
		t.Errorf("exit code %d, %q", code, last)
	}
	onnx := filepath.Join(t.TempDir(), "x.onnx")
	if code, output, _ := ringloom(t, "export", "--init", other, "--model", "lenet", "--output", onnx); code != 0 {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	trainRanks(t, 1, append(quick, "--init", other)...)[0].wantExit(0)
	start(t, t.TempDir(), "train", "--expect", "1", "--offline", "--resume", other).wantExit(exitData, "start from them with --init")
}

// changedModel is a checkpoint that was changed before it was written.
func changedModel(t *testing.T, model string, change func(name string, values []float32)) string {
	t.Helper()
	f, err := os.Open(writeModel(t, model))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, tensors, err := checkpoint.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tensors {
		change(x.Name, x.Data)
	}
	path := filepath.Join(t.TempDir(), "changed.safetensors")
	if err := report.WriteFileAtomic(path, func(w io.Writer) error { return checkpoint.Write(w, meta, tensors) }); err != nil {
		t.Fatal(err)
	}
	return path
}

// A logit that is not finite is named, and no accuracy is printed over it.
func TestEvaluationThatIsNotFinite(t *testing.T) {
	needData(t)
	overflows := changedModel(t, "lenet", func(name string, values []float32) {
		if name == "11.bias" {
			values[3], values[4] = math.MaxFloat32, -math.MaxFloat32
		}
		if name == "11.weight" {
			for i := range values {
				values[i] = math.MaxFloat32
			}
		}
	})
	for _, device := range []string{"auto", "purego"} {
		code, output, last := ringloom(t, "evaluate", "--init", overflows, "--device", device, "--offline", "--images", "20", "--batch", "8")
		if code != exitData || !strings.Contains(last, "of test image 0 is ") || strings.Contains(output, "accuracy") {
			t.Errorf("%s: exit code %d, %q", device, code, output)
		}
	}
}

// A negative variance is refused by everything that loads.
func TestANegativeVarianceIsRefused(t *testing.T) {
	negative := changedModel(t, "googlenet-bn", func(name string, values []float32) {
		if strings.HasSuffix(name, ".running_var") {
			values[1] = -0.01
		}
	})
	for _, args := range [][]string{
		{"evaluate", "--init", negative, "--offline"},
		{"export", "--init", negative, "--output", filepath.Join(t.TempDir(), "x.onnx")},
		{"train", "--expect", "1", "--model", "googlenet-bn", "--offline", "--init", negative},
	} {
		code, _, last := ringloom(t, args...)
		if code != exitData || !strings.Contains(last, "no variance is negative") {
			t.Errorf("%v: exit code %d, %q", args, code, last)
		}
	}
}

// A turned bit is refused by everything that loads.
func TestDamageIsRefused(t *testing.T) {
	path := writeModel(t, "lenet")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(content)
	damaged[len(damaged)-100] ^= 0x10
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"evaluate", "--init", path, "--offline"},
		{"export", "--init", path, "--output", filepath.Join(t.TempDir(), "x.onnx")},
		{"train", "--expect", "1", "--offline", "--init", path},
		{"train", "--expect", "1", "--offline", "--resume", path},
	} {
		code, _, last := ringloom(t, args...)
		if code != exitData || !strings.Contains(last, "damaged checkpoint: the SHA-256 of tensor") {
			t.Errorf("%v: exit code %d, %q", args, code, last)
		}
	}
}

func TestExportBatches(t *testing.T) {
	model := writeModel(t, "lenet")
	for batch, want := range map[string]int{"99999999999": exitUsage, "9223372036854775808": exitUsage, "0": exitUsage, "1": 0, "dynamic": 0} {
		code, _, last := ringloom(t, "export", "--init", model, "--output", filepath.Join(t.TempDir(), "x.onnx"), "--batch", batch)
		if code != want || want != 0 && !strings.Contains(last, "--batch") {
			t.Errorf("%s: exit code %d, %q", batch, code, last)
		}
	}
}

// Two jobs that go on with one run, as where a queue has started it twice.
func TestARunDirectoryInUse(t *testing.T) {
	needData(t)
	dir := filepath.Join(t.TempDir(), "run")
	common := []string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--threads", "1", "--offline", "--log", "json", "--debug"}
	first := start(t, t.TempDir(), append(common, "--epochs", "1000", "--checkpoint-every", "1", "--run-dir", dir)...)
	first.waitFor(`kept the run's state`)
	for _, args := range [][]string{{"--run-dir", dir}, {"--resume", dir}} {
		start(t, t.TempDir(), append(common, args...)...).wantExit(exitUsage, "is in use: process ")
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.exit()
	start(t, t.TempDir(), append(common, "--resume", dir, "--max-steps", "100000", "--epochs", "1")...).wantExit(0)
}
