package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ringloom/bench/scaling/measure"
)

// The fields that this command adds to those of package scaling are named in its help.
func TestBenchScalingDocumentsItsFields(t *testing.T) {
	long := benchScalingCommand().Long
	form := reflect.TypeFor[measure.Round]()
	for i := range form.NumField() {
		if name := form.Field(i).Tag.Get("json"); name == "" || !strings.Contains(long, name) {
			t.Errorf("the help does not mention %s (%q)", form.Field(i).Name, name)
		}
	}
}

// lines of --json by their kind.
func scalingLines(t *testing.T, output string) map[string][]map[string]any {
	t.Helper()
	byKind := map[string][]map[string]any{}
	for line := range strings.Lines(output) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		kind := fmt.Sprint(object["kind"])
		byKind[kind] = append(byKind[kind], object)
	}
	return byKind
}

func count(lines map[string][]map[string]any) map[string]int {
	n := map[string]int{}
	for kind, all := range lines {
		n[kind] = len(all)
	}
	return n
}

func TestBenchScalingMeasuresRoundsOfProcesses(t *testing.T) {
	needData(t)
	needSpeed(t)
	page := filepath.Join(t.TempDir(), "page.html")
	code, output, _ := ringloom(t, "bench", "scaling", "--ranks", "1,2", "--device", "purego", "--batch", "4", "--steps", "3", "--warmup", "2",
		"--rounds", "2", "--sizes", "4KiB,64KiB", "--json", "--html", page)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	lines := scalingLines(t, output)
	// Weak and strong with 1 and 2 ranks; 1 rank's point stands in both modes and is measured once.
	got := count(lines)
	for kind, want := range map[string]int{"study": 1, "point": 4, "rank": 6, "collective": 2, "model": 1, "verdict": 4, "round": 6} {
		if got[kind] != want {
			t.Errorf("%d lines of kind %s, want %d:\n%s", got[kind], kind, want, output)
		}
	}
	study := lines["study"][0]
	for field, want := range map[string]any{
		"model": "lenet", "version": version, "wire": "float32", "emulated": false, "gradient_bytes": 4.0 * 61706,
	} {
		if study[field] != want {
			t.Errorf("%s is %v, want %v", field, study[field], want)
		}
	}
	if how := fmt.Sprint(study["transport"]); !strings.Contains(how, "NATS") {
		t.Errorf("the transport of 2 ranks is %q", how)
	}
	for _, p := range lines["point"] {
		batch := 4.0
		if p["mode"] == "weak" {
			batch *= p["ranks"].(float64)
		}
		if p["global_batch"] != batch || p["steps"] != 3.0 || p["threads_per_rank"] != 1.0 || p["step_seconds"].(float64) <= 0 {
			t.Errorf("%v", p)
		}
	}
	for _, r := range lines["rank"] {
		if r["forward_seconds"].(float64) <= 0 || r["backward_seconds"].(float64) <= 0 || r["optimizer_seconds"].(float64) <= 0 || r["cpu_seconds"].(float64) <= 0 {
			t.Errorf("%v", r)
		}
	}
	if content, err := os.ReadFile(page); err != nil || !strings.Contains(string(content), "<svg") || !strings.Contains(string(content), "lenet") {
		t.Errorf("the page: %v, %d bytes", err, len(content))
	}
}

// With a wait in place of compute no data set is needed, and a step is no shorter than the wait.
func TestBenchScalingEmulates(t *testing.T) {
	code, output, _ := ringloom(t, "bench", "scaling", "--ranks", "3", "--mode", "weak", "--emulate-step", "20ms:lenet", "--batch", "8",
		"--steps", "3", "--warmup", "2", "--rounds", "1", "--sizes", "1KiB", "--json")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	lines := scalingLines(t, output)
	study, point := lines["study"][0], lines["point"][0]
	if study["emulated"] != true || study["emulated_step_seconds"] != 0.02 || point["global_batch"] != 24.0 || point["mode"] != "weak" {
		t.Errorf("%v\n%v", study, point)
	}
	if point["step_seconds"].(float64) < 0.01 {
		t.Errorf("a step of %v s with a wait of 0.02 s", point["step_seconds"])
	}
}

func TestBenchScalingAcrossACluster(t *testing.T) {
	common := []string{"bench", "scaling", "--expect", "2", "--bind", "127.0.0.1:0", "--log", "json", "--emulate-step", "5ms", "--batch", "4",
		"--steps", "3", "--warmup", "2", "--rounds", "2", "--mode", "strong", "--sizes", "1KiB"}
	first := start(t, t.TempDir(), common...)
	address := first.waitFor(`"looking for the other nodes","address":"([^"]+)"`)[1]
	second := start(t, t.TempDir(), append(common, "--join", address)...)
	first.wantExit(0)
	second.wantExit(0)
	first.waitFor(`strong scaling: 4 images a step`)
	if text, _ := second.text(); strings.Contains(text, "strong scaling") {
		t.Errorf("rank 1 prints as well:\n%s", text)
	}
}

func TestMistakesInBenchScaling(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--ranks", "0"}, "--ranks [0]"},
		{[]string{"--ranks", "2,2"}, "each once"},
		{[]string{"--ranks", "two"}, "two"},
		{[]string{"--ranks", "2", "--expect", "2"}, "--ranks has no effect with --expect"},
		{[]string{"--join", "127.0.0.1"}, "--join has no effect without --expect"},
		{[]string{"--mode", "medium"}, `--mode "medium"`},
		{[]string{"--model", "resnet"}, "choose one of"},
		{[]string{"--batch", "-1"}, "--batch -1"},
		{[]string{"--batch", "60000", "--ranks", "2"}, "training set has 60000"},
		{[]string{"--global-batch", "3", "--ranks", "4"}, "--global-batch 3"},
		{[]string{"--global-batch", "3", "--mode", "weak"}, "--global-batch has no effect"},
		{[]string{"--emulate-step", "fast"}, "--emulate-step"},
		{[]string{"--emulate-step", "1ms:nin", "--model", "lenet"}, "two networks"},
		{[]string{"--emulate-step", "1ms", "--device", "cpu"}, "--device has no effect"},
		{[]string{"--warmup", "1"}, "--warmup 1"},
		{[]string{"--steps", "-1"}, "--steps -1"},
		{[]string{"--duration", "0s"}, "--duration 0s"},
		{[]string{"--rounds", "0"}, "--rounds 0"},
		{[]string{"--threads", "-1"}, "--threads -1"},
		{[]string{"--bucket-bytes", "-1"}, `"--bucket-bytes" flag: "-1" is no size: give a whole number of bytes, such as 4096 or 256KiB`},
		{[]string{"--bucket-bytes", "4MiBs"}, `"4MiBs" is no size`},
		{[]string{"--chunk-bytes", "9MiB"}, "--chunk-bytes 9437184"},
		{[]string{"--sizes", "6"}, "--sizes: an all-reduce of 6 bytes"},
		{[]string{"--sizes", "lots"}, `--sizes: "lots" is no size`},
		{[]string{"--html", "/no/such/folder/page.html"}, "there is no folder /no/such/folder"},
	} {
		code, output, last := ringloom(t, append([]string{"bench", "scaling"}, c.args...)...)
		if code != exitUsage || !strings.Contains(last, c.says) || strings.Count(output, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q; want %d, one line, and %q", c.args, code, output, exitUsage, c.says)
		}
	}
}

// A rank that fails ends the measurement with its own line and exit code.
func TestBenchScalingShowsWhichRankFailed(t *testing.T) {
	p := start(t, t.TempDir(), "bench", "scaling", "--ranks", "2", "--rounds", "1", "--device", "tpu")
	p.wantExit(exitUsage, "failed with exit code 2")
	p.waitFor(`rank \d \| ringloom: --device "tpu": choose one of`)
}
