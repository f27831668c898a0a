package report

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
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

func TestAtomicWriteKeepsTheOldFileOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteFileAtomic(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk on fire")
	err := WriteFileAtomic(path, func(w io.Writer) error { io.WriteString(w, "new"); return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the file holds %q", got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("a temporary file is left: %v", left)
	}
}
