package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestARankIsToldToLeave(t *testing.T) {
	needData(t)
	dir := t.TempDir()
	first := start(t, dir, "train", "--expect", "2", "--elastic", "--bind", "127.0.0.1:0", "--epochs", "1000", "--threads", "1", "--log", "json", "--name", "first")
	address := first.waitFor(`"address":"([^"]+)"`)[1]
	second := start(t, dir, "train", "--expect", "2", "--elastic", "--join", address, "--epochs", "1000", "--threads", "1", "--log", "json", "--name", "second")
	second.waitFor(`"msg":"training"`)
	if code, output, last := ringloom(t, "leave", fmt.Sprint(second.cmd.Process.Pid)); code != 0 || !strings.Contains(output, "leaves behind the step under way") {
		t.Errorf("exit code %d, %q, %q", code, output, last)
	}
	second.wantExit(exitDeparted, "the others go on without it")
	first.waitFor(`second\) left at step .* 1 rank goes on`)
	first.cmd.Process.Kill()
}

// What is no rank of an elastic run is told nothing.
func TestOthersAreNotToldToLeave(t *testing.T) {
	for args, says := range map[string]string{"": "say which", "x": "no process number", fmt.Sprint(os.Getpid()): "is no rank of an elastic run", "999999999": "there is no process"} {
		code, _, last := ringloom(t, append([]string{"leave"}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(last, says) {
			t.Errorf("leave %s: exit code %d, %q", args, code, last)
		}
	}
}
