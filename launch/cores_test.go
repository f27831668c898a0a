package launch

import (
	"slices"
	"strings"
	"testing"

	"ringloom/internal/sysinfo"
)

func TestTheCoresAreSharedOut(t *testing.T) {
	cores, err := sysinfo.AllowedCores()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	for _, to := range []string{BindAuto, BindCore} {
		bound, err := Cores(to, len(cores), 1)
		if err != nil || len(bound) != len(cores) {
			t.Fatalf("%s: %v, %v", to, bound, err)
		}
		if all := slices.Concat(bound...); !slices.Equal(all, cores) {
			t.Errorf("%s: %v of %v", to, all, cores)
		}
	}
	if bound, err := Cores(BindAuto, len(cores)+1, 1); bound != nil || err != nil {
		t.Errorf("more processes than cores: %v, %v", bound, err)
	}
	if bound, err := Cores(BindNone, 1, 1); bound != nil || err != nil {
		t.Errorf("none: %v, %v", bound, err)
	}
	for name, c := range map[string]struct {
		to             string
		ranks, threads int
	}{"cores": {BindCore, len(cores), 2}, "choose one of": {"socket", 1, 1}, "wait instead of computing": {BindCore, 1, 0}} {
		if _, err := Cores(c.to, c.ranks, c.threads); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
