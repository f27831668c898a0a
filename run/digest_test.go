package run

import (
	"slices"
	"testing"

	"ringloom/cluster"
	"ringloom/train"
)

// Ranks that add up otherwise than the others would give a run that was asked to be strict sums that are not.
func TestStrictRanksAreAmongThemselves(t *testing.T) {
	digest := func(precision string) cluster.Digest {
		return Config{Device: DeviceConfig{Precision: precision}}.digest("data", "start", "cpu")
	}
	if slices.Equal(digest("strict"), digest("")) || !slices.Equal(digest("float32"), digest("")) {
		t.Error("strict and other ranks must differ, others of two devices' precisions must not")
	}
}

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
