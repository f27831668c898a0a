//go:build gpu && cgo

package cuda

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringloom/nn/cuda/driver"
)

func TestArchitecture(t *testing.T) {
	known := []int{75, 80, 86, 90}
	for _, c := range []struct {
		major, minor int
		want         string
	}{{9, 0, "sm_90"}, {8, 0, "sm_80"}, {8, 9, "compute_86"}, {10, 3, "compute_90"}} {
		got, err := architecture(driver.Info{Major: c.major, Minor: c.minor}, known)
		if err != nil || got != c.want {
			t.Errorf("compute capability %d.%d: %s, error %v, want %s", c.major, c.minor, got, err, c.want)
		}
	}
	if _, err := architecture(driver.Info{Name: "Tesla V100", Major: 7}, known); err == nil || !strings.Contains(err.Error(), "Tesla V100") {
		t.Errorf("a GPU that NVRTC has dropped: error %v", err)
	}
}

// TestKernelCache compiles with a cache that can be written, from it, and with one that cannot be written.
func TestKernelCache(t *testing.T) {
	locked(t, Options{}, func(d *Device) {
		dir := t.TempDir()
		t.Setenv("XDG_CACHE_HOME", dir)
		first, err := compiled(d.info)
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := filepath.Glob(filepath.Join(dir, "ringloom", "kernels-*")); err != nil || len(kept) != 1 {
			t.Errorf("the cache has %v, error %v", kept, err)
		}
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, cache := range []string{dir, file} { // a file can hold no folder
			t.Setenv("XDG_CACHE_HOME", cache)
			if again, err := compiled(d.info); err != nil || !bytes.Equal(again, first) {
				t.Errorf("in %s: %d bytes, at first %d, error %v", cache, len(again), len(first), err)
			}
		}
	})
}
