package printable

import (
	"testing"
	"unicode"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"worker-1, größer 火":                 "worker-1, größer 火",
		"\x1b[2J\x1b]0;title\x07":            `\x1b[2J\x1b]0;title\x07`,
		"rank 0 failed\n12:00 INFO all done": `rank 0 failed\n12:00 INFO all done`,
		"a\tb\rc":                            `a\tb\x0dc`,
		"\u202egpj.exe":                      `\u202egpj.exe`,
		"\u009b31m":                          `\u009b31m`,
		"\xff\xfe":                           `\xff\xfe`,
		"\U000e0001":                         `\U000e0001`,
		`C:\name`:                            `C:\name`,
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[31m\xff\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		for _, r := range got {
			if !unicode.IsPrint(r) && r != unicode.ReplacementChar {
				t.Errorf("%q becomes %q", s, got)
			}
		}
		if Text(got) != got {
			t.Errorf("%q changes twice", s)
		}
	})
}
