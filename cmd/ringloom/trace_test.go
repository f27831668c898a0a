package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// checkTrace reads a timeline of 'quick' with its last so many steps: every rank is there, with every part of every step.
func checkTrace(t *testing.T, path string, ranks, steps int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []struct {
		Name, Cat, Ph string
		Ts, Dur       float64
		Pid           int
		Args          struct{ Step int }
	}
	if err := json.Unmarshal(content, &events); err != nil {
		t.Fatal(err)
	}
	names := map[int]bool{}
	parts := map[string]int{}
	for _, e := range events {
		if e.Ph == "M" {
			names[e.Pid] = true
			continue
		}
		if e.Ts < 0 || e.Dur < 0 || e.Args.Step < 4-steps || e.Args.Step > 3 {
			t.Errorf("%+v", e)
		}
		parts[fmt.Sprintf("%d %s", e.Pid, e.Cat)]++
	}
	if got, want := slices.Sorted(maps.Keys(names)), []int{1, 2, 3}[:ranks]; !slices.Equal(got, want) {
		t.Errorf("processes %v, want %v", got, want)
	}
	for pid := range ranks {
		for _, cat := range []string{"step", "data", "forward", "backward", "comm", "optimizer", "verdict"} {
			want := steps
			if cat == "comm" {
				want *= 2 // buckets of the network
			}
			if n := parts[fmt.Sprintf("%d %s", pid+1, cat)]; n != want {
				t.Errorf("rank %d: %s %d times, want %d", pid, cat, n, want)
			}
		}
		if n := parts[fmt.Sprintf("%d eval", pid+1)]; n != 1 {
			t.Errorf("rank %d: %d evaluations", pid, n)
		}
	}
}

func TestTraceOfALaunch(t *testing.T) {
	needData(t)
	needSpeed(t)
	path := filepath.Join(t.TempDir(), "trace.json")
	p := start(t, t.TempDir(), append([]string{"launch", "-n", "3", "--", "--offline", "--trace", path, "--trace-steps", "2"}, quick...)...)
	p.wantExit(0)
	p.waitFor(`\ntimeline .*trace.json: 3 ranks`)
	checkTrace(t, path, 3, 2)
}

func TestTraceThatOneNodeAsksFor(t *testing.T) {
	needData(t)
	needSpeed(t)
	path := filepath.Join(t.TempDir(), "trace.json")
	common := append([]string{"train", "--expect", "2", "--bind", "127.0.0.1:0", "--threads", "1", "--offline", "--log", "json"}, quick...)
	first := start(t, t.TempDir(), common...)
	address := first.waitFor(`"looking for the other nodes","address":"([^"]+)"`)[1]
	second := start(t, t.TempDir(), append(common, "--join", address, "--trace", path)...)
	first.wantExit(0)
	second.wantExit(0)
	second.waitFor(`timeline .*trace.json: 2 ranks`)
	checkTrace(t, path, 2, 4)
}

func TestTraceOfOneRank(t *testing.T) {
	needData(t)
	needSpeed(t)
	path := filepath.Join(t.TempDir(), "trace.json")
	start(t, t.TempDir(), append([]string{"train", "--expect", "1", "--bind", "127.0.0.1:0", "--threads", "1", "--offline", "--trace", path}, quick...)...).wantExit(0)
	checkTrace(t, path, 1, 4)
}

func TestTraceThatCannotBeWrittenIsRefusedAtOnce(t *testing.T) {
	folder := t.TempDir()
	for says, args := range map[string][]string{
		"--trace-steps has no effect without --trace":   {"--trace-steps", "7"},
		"it is a folder; name a file":                   {"--trace", folder},
		"there is no folder":                            {"--trace", filepath.Join(folder, "missing", "trace.json")},
		"--trace-steps 0: keep at least one step":       {"--trace", filepath.Join(folder, "trace.json"), "--trace-steps", "0"},
		"does not fit into the 64 MiB that it can send": {"--trace", filepath.Join(folder, "trace.json"), "--trace-steps", "999999999"},
	} {
		code, output, last := ringloom(t, append([]string{"train", "--expect", "1"}, args...)...)
		if code != exitUsage || !strings.Contains(last, says) || strings.Contains(output, "goroutine ") {
			t.Errorf("%v: exit code %d, %q; want %d and %q", args, code, last, exitUsage, says)
		}
	}
}
