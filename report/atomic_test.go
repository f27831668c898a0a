package report

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

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

// An error names the file that the user asked for, not the temporary one.
func TestWriteFileAtomicNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere", "file")
	var file *fs.PathError
	if err := WriteFileAtomic(path, nil); !errors.As(err, &file) || file.Path != path || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A pipe or a device stays what it is: root would else turn /dev/null into a file.
func TestWriteFileAtomicKeepsWhatIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // with a reader there, a writer does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	err = WriteFileAtomic(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "whole")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Fatalf("the pipe is %v, %v now", info.Mode(), err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(pipe, got); err != nil || string(got) != "whole" {
		t.Errorf("the reader got %q, %v", got, err)
	}
}
