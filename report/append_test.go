package report

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Somebody else may have put a link in the place of a log, to a file of this user's.
func TestOpenAppendFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "profile")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	inside := filepath.Join(dir, "inside")
	if err := os.WriteFile(inside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out.log": victim, "in.log": "inside", "new.log": "not-there"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if f, err := OpenAppend(root, name); err == nil || !strings.Contains(err.Error(), name+" is a link") {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe", "../out.log", ".", "/etc/passwd", "a/b"} {
		if f, err := OpenAppend(root, name); err == nil {
			t.Errorf("%s is opened: %v", name, f)
		}
	}
	if content, err := os.ReadFile(victim); string(content) != "mine" {
		t.Errorf("the victim's file holds %q, %v", content, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "not-there")); !os.IsNotExist(err) {
		t.Errorf("a file was made behind a link: %v", err)
	}
	for range 2 {
		f, err := OpenAppend(root, "rank-0.log")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if content, err := os.ReadFile(filepath.Join(dir, "rank-0.log")); string(content) != "line\nline\n" {
		t.Errorf("the log holds %q, %v", content, err)
	}
}
