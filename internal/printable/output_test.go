package printable

import "testing"

func TestOutputLeavesTextAloneAndNothingHidden(t *testing.T) {
	for s, want := range map[string]string{
		"rank 1\tärger, 漢字\n":     "rank 1\tärger, 漢字\n",
		"\x1b[2Jgone\r\x07":       `\u001b[2Jgone\u000d\u0007`,
		"\x7f\u009b31m":           `\u007f\u009b31m`,
		"\u202eevil\u2066\u2028":  `\u202eevil\u2066\u2028`,
		"a\x9bb":                  `a\x9bb`,
		"\U000e0041":              `\udb40\udc41`,
		"a name that says \ufffd": "a name that says \ufffd",
	} {
		if got := Output(s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}
