//go:build gpu && cgo

package cuda

import (
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		eager, legacy string
		from, want    Options
	}{
		{"", "", Options{Ordinal: 1}, Options{Ordinal: 1}},
		{"1", "", Options{}, Options{Eager: true}},
		{"0", "1", Options{}, Options{LegacyConvolutions: true}},
		{"0", "", Options{Eager: true, LegacyConvolutions: true}, Options{Eager: true, LegacyConvolutions: true}},
	} {
		got, err := c.from.withEnvironment(func(name string) (string, bool) {
			value := map[string]string{"RINGLOOM_CUDA_EAGER": c.eager, "RINGLOOM_CUDNN_LEGACY": c.legacy}[name]
			return value, value != ""
		})
		if err != nil || got != c.want {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
	t.Setenv("RINGLOOM_CUDNN_LEGACY", "yes")
	if d, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "RINGLOOM_CUDNN_LEGACY") {
		if err == nil {
			d.Close()
		}
		t.Errorf("a variable that is yes: %v", err)
	}
}
