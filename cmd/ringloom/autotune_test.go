package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringloom/run"
)

func TestAutotuneTakesTheSameChoiceOnAllRanks(t *testing.T) {
	needData(t)
	needSpeed(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, t.TempDir(), append([]string{"launch", "-n", "2", "--", "--offline", "--run-dir", dir, "--autotune"}, quick...)...)
	p.wantExit(0) // and with it, that the ranks' parameters are equal
	found := p.waitFor(`"flags": ?"(--chunk-bytes \d+ --window-bytes \d+ --rings \d+ --bucket-bytes \d+)"`)
	var config struct {
		Train struct{ BucketBytes int }
		Ring  struct {
			ChunkBytes  int `json:"chunk_bytes"`
			WindowBytes int `json:"window_bytes"`
			Rings       int
			Autotuned   bool
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(content, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "rank-0.log")); err != nil || !strings.Contains(string(log), found[1]) {
		t.Errorf("the run's log does not name the flags %s: %v", found[1], err)
	}
	flags := strings.Fields(found[1])
	for i, want := range []int{config.Ring.ChunkBytes, config.Ring.WindowBytes, config.Ring.Rings, config.Train.BucketBytes} {
		var got byteSize
		if err := got.Set(flags[2*i+1]); err != nil || int(got) != want {
			t.Errorf("%s %s in the log, %d in config.json", flags[2*i], flags[2*i+1], want)
		}
	}
	if !config.Ring.Autotuned {
		t.Error("config.json does not say that the ring was tuned")
	}
}

func TestSpinIsADurationOrAuto(t *testing.T) {
	for text, want := range map[string]time.Duration{"auto": run.AutoSpin, "0": 0, "20us": 20 * time.Microsecond, "1ms": time.Millisecond} {
		var s spinFlag
		if err := s.Set(text); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "-1us", "2ms", "yes"} {
		if err := new(spinFlag).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
