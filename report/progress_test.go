package report

import (
	"strings"
	"testing"
)

func TestProgressWithoutATerminalIsTenPlainLinesAtMost(t *testing.T) {
	var out strings.Builder
	p := NewProgress(&out, false)
	for epoch := 1; epoch <= 2; epoch++ {
		for step := 1; step <= 235; step++ {
			p.Step(epoch, step, 235, 1)
		}
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 18 || lines[0] != "epoch 1  step 24/235  loss 1.0000" || lines[9] != "epoch 2  step 24/235  loss 1.0000" {
		t.Errorf("%d lines:\n%s", len(lines), out.String())
	}
	if strings.Contains(out.String(), "\r") {
		t.Error("a carriage return in plain output")
	}
}

// Who takes over in the middle of an epoch shows it from there.
func TestProgressBeginsInTheMiddle(t *testing.T) {
	for _, draw := range []bool{false, true} {
		var out strings.Builder
		p := NewProgress(&out, draw)
		for step := 55; step <= 70; step++ {
			p.Step(3, step, 100, 0.5)
		}
		if !draw && out.String() != "epoch 3  step 60/100  loss 0.5000\nepoch 3  step 70/100  loss 0.5000\n" {
			t.Errorf("%q", out.String())
		}
	}
}
