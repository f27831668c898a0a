package doctest

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	p := parse("docs/x.md", "Run `make a` or `b --c`:\n\n"+
		"```sh\nmake d `e`\n```\n```text\nprinted `f`\n```\n\n    indented\n")
	if want := []string{"make d `e`", "    indented"}; !slices.Equal(p.Lines, want) {
		t.Errorf("lines %q, want %q", p.Lines, want)
	}
	if want := []string{"make a", "b --c"}; !slices.Equal(p.Spans, want) {
		t.Errorf("spans %q, want %q", p.Spans, want)
	}
	if p.Historical() || !parse("docs/decisions/1.md", "").Historical() {
		t.Error("decisions are historical, other pages are not")
	}
}
