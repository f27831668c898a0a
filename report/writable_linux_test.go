package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// asAnybody runs f as a user who owns nothing: root may write everywhere. The real user of this thread alone changes, and access(2)
// goes by that one.
func asAnybody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const anybody, same = 65534, ^uintptr(0)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, anybody, same, same); errno != 0 {
		t.Skip("cannot be another user here: ", errno)
	}
	defer syscall.RawSyscall(syscall.SYS_SETRESUID, 0, same, same)
	f()
}

func TestWhatCannotBeWrittenIsKnownBeforehand(t *testing.T) {
	dir := t.TempDir()
	if err := CheckWritable(filepath.Join(dir, "trace.json")); err != nil {
		t.Errorf("a folder of our own: %v", err)
	}
	if err := CheckRunDir(filepath.Join(dir, "runs", "one")); err != nil {
		t.Errorf("a run in a folder of our own: %v", err)
	}
	for path, says := range map[string]string{
		dir:                                      "it is a folder; name a file",
		dir + "/missing/":                        "it is a folder; name a file",
		filepath.Join(dir, "missing", "trace"):   "there is no folder",
		filepath.Join("/dev/null", "trace.json"): "there is no folder",
	} {
		if err := CheckWritable(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	asAnybody(t, func() {
		if err := CheckWritable(filepath.Join(dir, "trace.json")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a folder that may only be read: %v", err)
		}
		if err := CheckRunDir(filepath.Join(dir, "runs", "one")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a run in a folder that may only be read: %v", err)
		}
		if err := CheckWritable("/dev/null"); err != nil {
			t.Errorf("a device that all may write, in a folder that they may not: %v", err)
		}
	})
}
