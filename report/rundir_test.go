package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestRunDirKeepsARunAndRefusesToMixTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs", "one")
	dir, err := CreateRunDir(path, map[string]int{"world": 2})
	if err != nil {
		t.Fatal(err)
	}
	for epoch := 1; epoch <= 2; epoch++ {
		if err := dir.Append(Metrics{Epoch: epoch, Loss: 0.5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(path, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := json.NewDecoder(f)
	for epoch := 1; epoch <= 2; epoch++ {
		var m Metrics
		if err := lines.Decode(&m); err != nil || m.Epoch != epoch || m.Loss != 0.5 {
			t.Errorf("line %d: %+v, %v", epoch, m, err)
		}
	}
	if _, err := CreateRunDir(path, nil); !errors.Is(err, ErrRunExists) {
		t.Errorf("a second run in the same directory: got %v", err)
	}
}

func TestRunDirOfARunThatGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lr[0.1") // no pattern of path/filepath
	dir, err := CreateRunDir(path, map[string]int{"world": 2})
	if err != nil {
		t.Fatal(err)
	}
	for epoch := 1; epoch <= 3; epoch++ {
		if err := dir.Append(Metrics{Epoch: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dir.metrics.WriteString(`{"epoch":4,"lo`); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(path, ".latest.training.safetensors.77")
	if err := os.WriteFile(torn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, err = ContinueRunDir(path, map[string]int{"world": 3}, 40, 3); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(dir.Append(Metrics{Epoch: 3, Loss: 7}), dir.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(path, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var epochs []int
	for line := range bytes.Lines(content) {
		var m Metrics
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, m.Epoch)
	}
	if !slices.Equal(epochs, []int{1, 2, 3}) || !bytes.Contains(content, []byte(`"loss":7`)) {
		t.Errorf("metrics: %s", content)
	}
	for name, says := range map[string]string{"config.json": "3", "config-until-step-40.json": "2"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || !bytes.Contains(got, []byte(says)) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if _, err := os.Stat(torn); !os.IsNotExist(err) {
		t.Errorf("a torn file is left: %v", err)
	}
	if _, err := ContinueRunDir(t.TempDir(), nil, 1, 1); err == nil {
		t.Error("a directory without a run is taken")
	}
}

// A line that cannot be written is kept, and nothing of it is in the file until then.
func TestMetricsAreWrittenLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	d, err := CreateRunDir(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Append(Metrics{Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	file := d.metrics
	if d.metrics, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Skip("SKIPPED, a full disk was NOT tested: ", err)
	}
	if err := d.Append(Metrics{Epoch: 2}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	d.metrics.Close()
	d.metrics = file
	if err := errors.Join(d.Append(Metrics{Epoch: 3}), d.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(path, metricsFile))
	if err != nil || bytes.Count(content, []byte("\n")) != 3 || !bytes.Contains(content, []byte(`"epoch":2`)) {
		t.Errorf("%s, %v", content, err)
	}
}
