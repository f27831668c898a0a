package report

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// Modes are the umask's, which is how a user says who may read his files; none is set, for not every file system has them.
func TestFilesHonourTheUmask(t *testing.T) {
	for mask, want := range map[int]fs.FileMode{0o022: 0o644, 0o077: 0o600, 0o002: 0o664} {
		dir := t.TempDir()
		before := syscall.Umask(mask)
		err := WriteFileAtomic(filepath.Join(dir, "file"), func(io.Writer) error { return nil })
		run, runErr := CreateRunDir(filepath.Join(dir, "run"), nil)
		syscall.Umask(before)
		if err := errors.Join(err, runErr); err != nil {
			t.Fatal(err)
		}
		run.Close()
		for _, name := range []string{"file", "run/config.json", "run/metrics.jsonl", "run/run.lock"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %s is %v, %v", mask, name, info.Mode(), err)
			}
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	err := WriteFileKeeping(path, "previous", func(w io.Writer) error { _, err := io.WriteString(w, content); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheFileBeforeIsKept(t *testing.T) {
	dir := t.TempDir()
	path, previous := filepath.Join(dir, "latest"), filepath.Join(dir, "previous")
	for i, want := range []string{"", "one", "two"} {
		write(t, path, []string{"one", "two", "three"}[i])
		if got, _ := os.ReadFile(previous); string(got) != want {
			t.Errorf("after %d writes the one before is %q", i+1, got)
		}
	}
	err := WriteFileKeeping(path, "previous", func(io.Writer) error { return io.ErrShortWrite })
	if got, _ := os.ReadFile(previous); !errors.Is(err, io.ErrShortWrite) || string(got) != "two" {
		t.Errorf("after a failure the one before is %q, %v", got, err)
	}
	// What a crash between the two renames leaves.
	if err := errors.Join(os.Remove(previous), os.Link(path, previous)); err != nil {
		t.Fatal(err)
	}
	write(t, path, "four")
	latest, _ := os.ReadFile(path)
	if got, _ := os.ReadFile(previous); string(latest) != "four" || string(got) != "three" {
		t.Errorf("after a crash: %q and %q", latest, got)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("a temporary file is left: %v", left)
	}
}

// A patch is filled once, whatever fails, and is in the file before anybody can see it.
func TestPatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	fills := 0
	content := func(fail error) func(io.Writer) error {
		return func(w io.Writer) error {
			w.(interface{ PatchLater(int64, func() []byte) }).PatchLater(2, func() []byte {
				fills++
				return []byte("patch")
			})
			_, err := io.WriteString(w, "a .....!")
			return errors.Join(err, fail)
		}
	}
	if err := WriteFileAtomic(path, content(nil)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "a patch!" || fills != 1 {
		t.Errorf("the file holds %q after %d fills", got, fills)
	}
	if err := WriteFileAtomic(path, content(io.ErrShortWrite)); !errors.Is(err, io.ErrShortWrite) || fills != 2 {
		t.Errorf("a failure: %v after %d fills", err, fills)
	}
}

// A name may have 255 bytes, of which the temporary file's needs some.
func TestLongNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("ü", 127))
	if err := CheckWritable(path); err != nil {
		t.Fatal(err)
	}
	if err := WriteFileAtomic(path, func(io.Writer) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := CheckWritable(path + "xx"); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("256 bytes: %v", err)
	}
}
