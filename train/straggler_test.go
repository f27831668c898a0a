package train

import (
	"errors"
	"slices"
	"testing"

	"ringloom/train/gradsync"
)

// steps has ranks tell so many times how long they have computed for each of their samples.
func (s *stragglers) steps(n int, each ...float64) (changes int) {
	for range n {
		reports := make([]gradsync.Report, len(each))
		for rank := range each {
			samples := 16
			if s.shares != nil {
				samples = 4 * s.shares[rank]
			}
			reports[rank] = gradsync.Report{Samples: samples, Compute: each[rank] * float64(samples)}
		}
		if s.observe(reports) {
			changes++
		}
	}
	return changes
}

func TestStragglersGetFewerSamples(t *testing.T) {
	s := newStragglers(StragglersShare, 4)
	if n := s.steps(100, 1, 1.1, 0.9, 1.4); n != 0 || s.shares != nil {
		t.Errorf("%d changes without a straggler: %v", n, s.shares)
	}
	s.steps(10, 1, 1, 1, 3) // a hiccup
	if n := s.steps(60, 1, 1, 1, 1); n != 0 {
		t.Errorf("%d changes for a hiccup: %v", n, s.shares)
	}
	if n := s.steps(200, 1, 1, 1, 3); n != 2 || !slices.Equal(s.shares, []int{4, 4, 4, 2}) || s.evicted != -1 {
		t.Errorf("%d changes: %v, evicted %d", n, s.shares, s.evicted)
	}
	off := newStragglers(StragglersOff, 4)
	if n := off.steps(200, 1, 1, 1, 9); n != 0 {
		t.Error("stragglers are off")
	}
}

func TestHopelessStragglersMustGo(t *testing.T) {
	s := newStragglers(StragglersEvict, 4)
	s.steps(200, 1, 1, 1, 1.7) // with half a share it holds nobody up
	if s.evicted != -1 || s.shares == nil {
		t.Errorf("evicted %d, shares %v", s.evicted, s.shares)
	}
	s = newStragglers(StragglersEvict, 4)
	s.steps(200, 1, 9, 1, 1)
	if s.evicted != 1 {
		t.Errorf("evicted %d, want 1", s.evicted)
	}
	two := newStragglers(StragglersEvict, 2) // alone the other one would take as long
	two.steps(200, 1, 2.1)
	if two.evicted != -1 {
		t.Errorf("evicted %d of two", two.evicted)
	}
}

// Uneven shares change nothing but the last bits: the loss is a mean over the global batch, whoever computes a sample.
func TestUnevenSharesTrainTheSameCurve(t *testing.T) {
	cfg := testConfig()
	even := (&troupe{t: t, cfg: cfg, devices: hosts, victim: -1}).play(3)
	uneven := (&troupe{t: t, cfg: cfg, devices: hosts, victim: -1, shares: []int{4, 2, 3}}).play(3)
	for rank, a := range uneven {
		if !slices.Equal(a.end.values, uneven[0].end.values) {
			t.Errorf("rank %d ends with other parameters", rank)
		}
		countSamples(t, a, "with shares")
	}
	for i, e := range even[0].end.epochs {
		u := uneven[0].end.epochs[i]
		if d := (e.Loss - u.Loss) / e.Loss; d > 1e-3 || d < -1e-3 {
			t.Errorf("epoch %d: loss %v, with shares %v", e.Number, e.Loss, u.Loss)
		}
	}
	if a, b := uneven[0].end.epochs[0].Ranks[0].Samples, uneven[1].end.epochs[0].Ranks[1].Samples; a <= b {
		t.Errorf("ranks 0 and 1 have had %d and %d samples", a, b)
	}
}

// A rank that is slow in a run gets fewer samples, and goes where that is not enough; the others go on.
func TestASlowRankOfARunGoes(t *testing.T) {
	cfg := testConfig()
	cfg.Epochs = 20
	x := &troupe{t: t, cfg: cfg, devices: hosts, victim: 2, stragglers: StragglersEvict, slowness: 50}
	cast := x.play(3)
	if len(cast) != 2 || len(x.changes) != 1 {
		t.Fatalf("%d ranks are left, %+v", len(cast), x.changes)
	}
	for _, a := range cast {
		countSamples(t, a, "without the slow one")
	}
	var change *Change
	if !errors.As(x.lastErr, &change) || !change.Evicted || !slices.Equal(change.Leaving, []int{2}) {
		t.Errorf("the slow rank ended with %v", x.lastErr)
	}
}
