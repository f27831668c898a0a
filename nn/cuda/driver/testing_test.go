//go:build gpu && cgo

package driver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// open opens GPU 0, or skips the test where there is no driver and none was named.
func open(t *testing.T) *Context {
	t.Helper()
	if err := Load(); err != nil {
		if os.Getenv("RINGLOOM_LIBCUDA") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, the driver's calls were NOT tested: %v", err)
	}
	runtime.LockOSThread()
	c, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return c
}

// Must-functions end the test; what they make is given back when it ends.

func mustStream(t *testing.T, c *Context) *Stream {
	t.Helper()
	s, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, s.Destroy()) })
	return s
}

func mustEvent(t *testing.T, c *Context, timing bool) *Event {
	t.Helper()
	e, err := c.NewEvent(timing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, e.Destroy()) })
	return e
}

func mustAlloc(t *testing.T, c *Context, bytes int64) uintptr {
	t.Helper()
	p, err := c.Alloc(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, c.Free(p)) })
	return p
}

func mustHost(t *testing.T, c *Context, bytes int64) []byte {
	t.Helper()
	memory, err := c.AllocHost(bytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, c.FreeHost(memory)) })
	return memory
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks that err is the driver's, with that code, from that call.
func wantCode(t *testing.T, err error, call string, code int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Call != call || e.Code != code {
		t.Errorf("got %v, want code %d of %s", err, code, call)
	}
}

// compileC compiles one C source and returns the path of the result. The compiler is cgo's, or cc where the test binary
// runs on a machine without Go.
func compileC(t *testing.T, source string, flags ...string) string {
	t.Helper()
	compiler := "cc"
	if output, err := exec.Command("go", "env", "CC").Output(); err == nil {
		compiler = strings.TrimSpace(string(output))
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skipf("SKIPPED, there is no C compiler: %v", err)
	}
	made := filepath.Join(t.TempDir(), "made")
	args := append([]string{"-o", made, "-x", "c", "-"}, flags...)
	cc := exec.Command(compiler, args...)
	cc.Stdin = strings.NewReader(source)
	if output, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, output)
	}
	return made
}
