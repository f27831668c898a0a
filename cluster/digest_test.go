package cluster

import (
	"slices"
	"testing"
)

func TestDiff(t *testing.T) {
	base := Digest{{"model", "lenet"}, {"seed", "1"}, {"batch", "256"}}
	for name, c := range map[string]struct {
		there Digest
		want  []Difference
	}{
		"equal":      {base, nil},
		"one":        {Digest{{"model", "alexnet"}, {"seed", "1"}, {"batch", "256"}}, []Difference{{"model", "lenet", "alexnet"}}},
		"two":        {Digest{{"model", "alexnet"}, {"seed", "1"}, {"batch", "64"}}, []Difference{{"model", "lenet", "alexnet"}, {"batch", "256", "64"}}},
		"missing":    {Digest{{"model", "lenet"}, {"seed", "1"}}, []Difference{{"batch", "256", "(none)"}}},
		"additional": {append(slices.Clone(base), Field{"wire", "f32"}), []Difference{{"wire", "(none)", "f32"}}},
		"empty":      {nil, []Difference{{"model", "lenet", "(none)"}, {"seed", "1", "(none)"}, {"batch", "256", "(none)"}}},
	} {
		if got := diff(base, c.there); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if same := base.hash() == c.there.hash(); same != (c.want == nil) {
			t.Errorf("%s: hashes equal: %v", name, same)
		}
	}
	// Where one name ends and its value begins is part of the hash.
	if (Digest{{"ab", "c"}}).hash() == (Digest{{"a", "bc"}}).hash() {
		t.Error("the hash mixes names and values")
	}
}
