package scaling

import (
	"strings"
	"testing"
)

// outlook is that of one measured rank whose step is 100 ms, 60 of them backward.
func outlook(t *testing.T, change func(*Study)) Outlook {
	t.Helper()
	s := Study{GradientBytes: 10e6, Points: []Point{{
		Ranks: 1, ThreadsPerRank: 1, GlobalBatch: 50, Steps: 1, Mode: Weak, StepSeconds: 0.1, ImagesPerSecond: 500,
		PerRank: []RankPoint{{StepSeconds: 0.1, Parts: Parts{Forward: 0.03, Backward: 0.06, Optimizer: 0.01}}},
	}}, Collectives: measured(Fit{Form: FormRing, Alpha: 30e-6, Beta: 1e-9}, 0, 2)}
	change(&s)
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r.Outlook
}

func (o Outlook) of(t *testing.T, algorithm string, ranks int) Prediction {
	t.Helper()
	for _, p := range o.Predictions {
		if p.Algorithm == algorithm && p.Ranks == ranks {
			return p
		}
	}
	t.Fatalf("no prediction of a %s of %d ranks", algorithm, ranks)
	return Prediction{}
}

func TestPredictionByHand(t *testing.T) {
	o := outlook(t, func(*Study) {})
	p := o.of(t, Ring, 8)
	// One bucket at the end of backward: 14 messages of 1.25 MB, all exposed.
	sum := 14 * (30e-6 + 1.25e-3)
	if !near(p.ExposedSeconds, sum, 1e-6) || !near(p.StepSeconds, 0.1+sum, 1e-6) || !near(p.ImagesPerSecond, 8*50/(0.1+sum), 1e-6) ||
		!near(p.Efficiency, 0.1/(0.1+sum), 1e-6) || !near(p.ComputeSeconds, 0.1, 1e-12) {
		t.Errorf("got %+v", p)
	}
	if len(o.Predictions) != 3*10 || o.Predictions[9].Ranks != 4096 {
		t.Errorf("%d predictions, the tenth of %d ranks", len(o.Predictions), o.Predictions[9].Ranks)
	}
	if len(o.Assumptions) < 5 {
		t.Errorf("assumptions: %q", o.Assumptions)
	}
}

func TestPredictionHidesBucketsBehindBackward(t *testing.T) {
	o := outlook(t, func(s *Study) { s.Buckets, s.BucketReady = []int64{9e6, 1e6}, []float64{0.5, 1} })
	p := o.of(t, Ring, 8)
	// The first is ready 30 ms before the end and takes 16, so only the second is seen.
	if want := 14 * (30e-6 + 0.125e-3); !near(p.ExposedSeconds, want, 1e-6) {
		t.Errorf("exposed %g, want %g", p.ExposedSeconds, want)
	}
	if p.CommSeconds <= p.ExposedSeconds {
		t.Errorf("all of %g is exposed", p.CommSeconds)
	}
}

func TestPredictionsOfTheAlgorithmsDiffer(t *testing.T) {
	o := outlook(t, func(s *Study) { s.GroupRanks, s.IntraHopSeconds, s.IntraSecondsPerByte = 4, 1e-6, 1e-11 })
	ring, group, tree := o.of(t, Ring, 4096), o.of(t, HierarchicalRing, 4096), o.of(t, DoubleTree, 4096)
	if !(tree.StepSeconds < group.StepSeconds && group.StepSeconds < ring.StepSeconds) {
		t.Errorf("4096 ranks: ring %g, hierarchical %g, tree %g", ring.StepSeconds, group.StepSeconds, tree.StepSeconds)
	}
	if group.GroupRanks != 4 || ring.GroupRanks != 0 {
		t.Errorf("groups of %d, and %d in a plain ring", group.GroupRanks, ring.GroupRanks)
	}
	if want := hierarchicalTime(4096, 4, 10e6, link{1e-6, 1e-11}, testLink); !near(group.ExposedSeconds, want, 1e-6) {
		t.Errorf("hierarchical: exposed %g, want %g", group.ExposedSeconds, want)
	}
}

func TestRanksThatShareAMachineArePredictedAlone(t *testing.T) {
	o := outlook(t, func(s *Study) {
		s.Collectives = measured(Fit{Form: FormShared, Alpha: 30e-6, Beta: 0.4e-9, Gamma: 0.6e-9}, 0, 2, 4, 8)
	})
	if got, want := o.of(t, Ring, 8).ExposedSeconds, ringTime(8, 10e6, testLink); !near(got, want, 1e-6) {
		t.Errorf("exposed %g, want %g", got, want)
	}
}

func TestPredictionsStartFromWeakScaling(t *testing.T) {
	s := sampleStudy(1, 2, 4)
	r, err := Analyse(s)
	if err != nil {
		t.Fatal(err)
	}
	if o := r.Outlook; o.BaseMode != Weak || o.BaseRanks != 1 || o.BatchPerRank != 64 {
		t.Errorf("from %d ranks of %s, %g images", o.BaseRanks, o.BaseMode, o.BatchPerRank)
	}
	if len(r.Outlook.Checks) != 4 {
		t.Errorf("checks: %+v", r.Outlook.Checks)
	}
}

func TestChecksModelWhatWasMeasured(t *testing.T) {
	o := outlook(t, func(s *Study) {
		fit := Fit{Form: FormRing, Alpha: 30e-6, Beta: 1e-9}
		exposed := fit.Seconds(2, 10e6)
		step := 0.1 + exposed
		p := Point{Ranks: 2, ThreadsPerRank: 1, GlobalBatch: 100, Steps: 1, Mode: Weak, StepSeconds: step, ImagesPerSecond: 100 / step}
		for rank := range 2 {
			p.PerRank = append(p.PerRank, RankPoint{Rank: rank, StepSeconds: step, Parts: Parts{Forward: 0.03, Backward: 0.06, Optimizer: 0.01, ExposedComm: exposed}})
		}
		s.Points = append(s.Points, p)
	})
	if len(o.Checks) != 1 || !near(o.Checks[0].ModelSeconds, o.Checks[0].MeasuredSeconds, 1e-6) {
		t.Errorf("checks: %+v", o.Checks)
	}
}

func TestNothingIsPredictedFromNothing(t *testing.T) {
	for says, change := range map[string]func(*Study){
		"no all-reduce":               func(s *Study) { s.Collectives = nil },
		"gradients are unknown":       func(s *Study) { s.GradientBytes = 0 },
		"no breakdown":                func(s *Study) { s.Points[0].PerRank = nil },
		"does not describe the measu": func(s *Study) { s.Collectives = measured(Fit{Form: FormRing, Alpha: 1e-5, Beta: 1e-9}, 0.8, 2) },
	} {
		if o := outlook(t, change); !strings.Contains(o.Problem, says) || len(o.Predictions) > 0 {
			t.Errorf("want %q: %q, %d predictions", says, o.Problem, len(o.Predictions))
		}
	}
}
