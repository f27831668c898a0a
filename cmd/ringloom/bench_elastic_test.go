package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// A job of three loses two ranks by kill -9 and one by its own wish, each is followed by another, and every sample is trained once.
func TestBenchElastic(t *testing.T) {
	code, output, last := ringloom(t, "bench", "elastic", "--ranks", "3", "--kills", "2", "--stops", "0", "--leaves", "1", "--emulate-step", "5ms", "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, last)
	}
	count := map[string]int{}
	page, err := os.ReadFile(root + "/docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(output) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for name := range o {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/bench.md says nothing of %s", name)
			}
		}
		switch o["kind"] {
		case "row":
			count[o["what"].(string)] = int(o["count"].(float64))
		case "job":
			if o["samples_lost"] != 0.0 || o["samples_repeated"] != 0.0 || o["steps"].(float64) < 50 {
				t.Errorf("%s", line)
			}
		}
	}
	if count["kill"] != 2 || count["leave"] != 1 || count["join"] != 3 {
		t.Errorf("there were %v", count)
	}
}

func TestBenchElasticRefuses(t *testing.T) {
	for says, args := range map[string][]string{
		"nobody who goes on":          {"--ranks", "1"},
		"one above 0":                 {"--kills", "0", "--stops", "0", "--leaves", "0"},
		"each number once":            {"--ranks", "2,2"},
		"no effect with --emulate":    {"--emulate-step", "5ms", "--threads", "2"},
		"no effect without --cost":    {"--steps", "100"},
		"no effect with --cost":       {"--cost", "2", "--kills", "3"},
		"such as 100ms":               {"--emulate-step", "soon"},
		"at least one sample a rank":  {"--ranks", "8", "--global-batch", "4"},
		"the first 25 do not count":   {"--cost", "1", "--steps", "10"},
		`unknown model "resnet"`:      {"--model", "resnet"},
		"is not measured here":        {"--deterministic-kernels", "rule"},
		`"more" is not understood`:    {"more"},
		"number of rounds up to 1000": {"--cost", "-1"},
	} {
		start(t, t.TempDir(), append([]string{"bench", "elastic"}, args...)...).wantExit(exitUsage, says)
	}
}
