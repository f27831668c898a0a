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
