//go:build gpu && cgo

package cuda

import (
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
