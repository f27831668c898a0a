package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringloom/internal/printable"
	"ringloom/report"
)

// Whatever prints results ends with an error where they are lost.
func TestLostResultsAreAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED, lost results were NOT tested: ", err)
	}
	defer full.Close()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	needData(t)
	model := writeModel(t, "lenet")
	for _, args := range [][]string{
		{"--help"}, {"train", "--help"}, {"help", "launch"}, {"version"}, {"models"}, {"models", "--json"}, {"models", "--describe", "lenet"},
		{"devices"}, {"devices", "--json"}, {"bench"}, {"completion", "bash"},
		{"export", "--init", model, "--output", filepath.Join(t.TempDir(), "x.onnx")},
		{"data", "--offline"},
		{"evaluate", "--init", model, "--offline", "--images", "50"},
		append([]string{"launch", "-n", "2", "--", "--offline"}, quick...),
		{"bench", "step", "--steps", "1", "--batch", "8"},
		{"bench", "step", "--steps", "1", "--batch", "8", "--json"},
		{"bench", "allreduce", "-n", "2", "--transport", "memory", "--min-bytes", "1K", "--max-bytes", "1K", "--iters", "1"},
		{"bench", "allreduce", "-n", "2", "--min-bytes", "1K", "--max-bytes", "1K", "--iters", "1", "--csv"},
		{"bench", "scaling", "--ranks", "1", "--rounds", "1", "--steps", "1", "--batch", "8", "--mode", "weak", "--sizes", "1K"},
	} {
		cmd := exec.Command(executable, args...)
		cmd.Dir, cmd.Env, cmd.Stdout = t.TempDir(), append(os.Environ(), envBeCommand+"=1"), full
		var log bytes.Buffer
		cmd.Stderr = &log
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(log.String(), "no space left on device") {
			t.Errorf("%v: %v\n%s", args, err, log.String())
		}
	}
}

// A peer's name reaches the terminal harmless.
func TestResultsAreEscaped(t *testing.T) {
	var out bytes.Buffer
	r := printable.Writer(&out) // as main gives it to the commands
	if _, err := r.Write([]byte(report.Table([]report.RankRow{{Node: "\x1b[2J\u202e", Total: 1}}))); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\u202e") || !strings.Contains(out.String(), `\u001b[2J`) {
		t.Errorf("%q", out.String())
	}
	if got := explain(errors.New("node \x1b]0;x\x07 failed")); got != `node \x1b]0;x\x07 failed` {
		t.Errorf("%q", got)
	}
}
