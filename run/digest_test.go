package run

import (
	"slices"
	"testing"

	"ringloom/cluster"
	"ringloom/train"
)

// A setting that the digest forgot would let ranks train differently.
func TestDigestNamesEverySettingOnce(t *testing.T) {
	c := Config{Train: train.DefaultConfig()}
	c.Member.Elastic.On = true
	digest := c.digest("data", "start", "cpu")
	for i, f := range digest {
		if slices.ContainsFunc(digest[:i], func(g cluster.Field) bool { return g.Name == f.Name }) {
			t.Errorf("the digest holds %s twice", f.Name)
		}
	}
	for _, s := range train.Settings() {
		if !slices.ContainsFunc(digest, func(f cluster.Field) bool { return f.Name == s.Label }) {
			t.Errorf("the digest does not hold %s", s.Label)
		}
	}
}
