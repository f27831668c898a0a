package main

import (
	"slices"
	"strings"
	"testing"
)

func TestBindingSharesTheCoresOut(t *testing.T) {
	cores, err := allowedCores()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	for _, to := range []string{bindToAuto, bindToCore} {
		bound, err := binding(to, len(cores), 1)
		if err != nil || len(bound) != len(cores) {
			t.Fatalf("%s: %v, %v", to, bound, err)
		}
		if all := slices.Concat(bound...); !slices.Equal(all, cores) {
			t.Errorf("%s: %v of %v", to, all, cores)
		}
	}
	if bound, err := binding(bindToAuto, len(cores)+1, 1); bound != nil || err != nil {
		t.Errorf("more processes than cores: %v, %v", bound, err)
	}
	if bound, err := binding(bindToNone, 1, 1); bound != nil || err != nil {
		t.Errorf("none: %v, %v", bound, err)
	}
	for name, c := range map[string]struct {
		to         string
		n, threads int
	}{"cores": {bindToCore, len(cores), 2}, "choose one of": {"socket", 1, 1}} {
		if _, err := binding(c.to, c.n, c.threads); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestRanksRunWhereTheyAreBound(t *testing.T) {
	cores, err := allowedCores()
	if err != nil || len(cores) < 2 {
		t.Skipf("SKIPPED: two cores are needed, there are %v (%v)", cores, err)
	}
	needData(t)
	needSpeed(t)
	p := start(t, t.TempDir(), append([]string{"launch", "-n", "2", "--threads", "1", "--bind-to", "core", "--", "--offline"}, quick...)...)
	p.wantExit(0)
	if p = start(t, t.TempDir(), "launch", "-n", "2", "--threads", "1000", "--bind-to", "core"); true {
		p.wantExit(2)
		p.waitFor(`--bind-to core: 2 processes of 1000 threads need 2000 cores`)
	}
}
