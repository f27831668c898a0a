package report

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const envHoldRunDir = "RINGLOOM_TEST_HOLD_RUN_DIR"

// TestMain makes this binary a run that holds a directory until it is killed, where it is told to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envHoldRunDir); dir != "" {
		if _, err := CreateRunDir(dir, "config"); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("holds\n")
		select {}
	}
	os.Exit(m.Run())
}

// Two runs never write into one directory. The lock ends with a process that is killed.
func TestARunDirectoryIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), envHoldRunDir+"="+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() error{
		"a look":       func() error { return CheckUnlocked(dir) },
		"a new run":    func() error { _, err := CreateRunDir(dir, nil); return err },
		"one goes on":  func() error { _, err := ContinueRunDir(dir, nil, 1, 1); return err },
		"a look ahead": func() error { return CheckRunDir(dir) },
	} {
		var busy *InUseError
		if err := open(); !errors.As(err, &busy) || busy.By.PID != other.Process.Pid || busy.By.Since.IsZero() || !strings.Contains(err.Error(), "in use: process ") {
			t.Errorf("%s while another writes: %v", name, err)
		}
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // an error: it was killed
	if err := CheckUnlocked(dir); err != nil {
		t.Errorf("the dead still hold it: %v", err)
	}
	run, err := ContinueRunDir(dir, nil, 1, 1)
	if err != nil || run.Unlocked != nil {
		t.Fatal(err)
	}
	if err := CheckUnlocked(dir); !errors.As(err, new(*InUseError)) {
		t.Errorf("this process holds it, and: %v", err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if err := CheckUnlocked(dir); err != nil {
		t.Errorf("it was closed: %v", err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, lockFile)); err != nil || len(content) > 0 {
		t.Errorf("the lock's file still names a holder: %q, %v", content, err)
	}
	if err := CheckUnlocked(t.TempDir()); err != nil {
		t.Errorf("a folder without a run: %v", err)
	}
}

// A name in the lock's file is another user's word.
func TestAHolderIsEscaped(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, lockFile)
	for content, want := range map[string]string{`{"host":"\u001b[2J","pid":7}`: `process 7 on \u001b[2J since`, "{": "another process", "": "another process"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := holder(f).String(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q", content, got)
		}
		f.Close()
	}
}

// Where a file system has no locks, a run goes on without, and can say so.
func TestWithoutLocks(t *testing.T) {
	defer func() { flock = syscall.Flock }()
	for _, none := range []error{syscall.ENOSYS, syscall.ENOLCK, syscall.EOPNOTSUPP} {
		flock = func(int, int) error { return none }
		path := filepath.Join(t.TempDir(), "run")
		run, err := CreateRunDir(path, nil)
		if err != nil || !errors.Is(run.Unlocked, none) || !strings.Contains(run.Unlocked.Error(), "no locks") {
			t.Fatalf("%v: %v", none, err)
		}
		if err := errors.Join(CheckUnlocked(path), run.Close()); err != nil {
			t.Errorf("%v: %v", none, err)
		}
	}
}
