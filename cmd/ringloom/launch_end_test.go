package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestVerdictSaysHowTheCauseEnded(t *testing.T) {
	for script, want := range map[string]struct {
		code int
		says string
	}{
		"kill -9 $$": {exitPeer, "was killed by signal 9"},
		"exit 3":     {exitData, "failed with exit code 3"},
		"exit 130":   {exitInterrupted, "was interrupted"},
	} {
		var log bytes.Buffer
		l := &launcher{log: &log}
		cause, other := &child{rank: 1, cmd: exec.Command("sh", "-c", script)}, &child{cmd: exec.Command("sh", "-c", "exit 5")}
		for _, c := range []*child{cause, other} {
			c.err = c.cmd.Run()
		}
		var shown *alreadyShown
		if err := l.verdict(other, []*child{other, cause}); !errors.As(err, &shown) || shown.code != want.code {
			t.Errorf("%s: %v, want exit code %d", script, err, want.code)
		}
		if !strings.Contains(log.String(), "rank 1 (pid ") || !strings.Contains(log.String(), want.says) {
			t.Errorf("%s: %q lacks %q", script, &log, want.says)
		}
	}
}
