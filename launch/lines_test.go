package launch

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinesStayWhole(t *testing.T) {
	for from, want := range map[string]string{
		"one\ntwo\n":            "r | one\nr | two\n",
		"no newline at the end": "r | no newline at the end\n",
		"bar 1\rbar 2\r\nlog\n": "bar 1\rbar 2\r\nr | log\n",
		"\n\nx\n":               "\n\nr | x\n",
		"fine\n" + strings.Repeat("x", maxLineBytes+1) + "\nlost\n": "r | fine\n",
	} {
		var to bytes.Buffer
		rest := strings.NewReader(from)
		new(launcher).copyLines("r | ", rest, &to, nil)
		if to.String() != want || rest.Len() != 0 {
			t.Errorf("%.40q is copied as %.60q, want %q; %d bytes are left", from, &to, want, rest.Len())
		}
	}
}
