package scaling

import (
	"math"
	"strings"
	"testing"
)

func TestValidateSaysWhatIsWrongAndWhere(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Study)
		says  string
	}{
		"no points":            {func(s *Study) { s.Points = nil }, "at least one measured point"},
		"cores":                {func(s *Study) { s.Cores = -1 }, "-1 cores"},
		"emulation":            {func(s *Study) { s.EmulatedStepSeconds = math.Inf(1) }, "emulated step of +Inf s"},
		"empty bucket":         {func(s *Study) { s.Buckets[1] = 0 }, "bucket 1 has 0 bytes"},
		"gradients":            {func(s *Study) { s.GradientBytes++ }, "3 buckets of 24000000 bytes together, and 24000001"},
		"ready":                {func(s *Study) { s.BucketReady = s.BucketReady[1:] }, "when 2 are ready"},
		"ready falls":          {func(s *Study) { s.BucketReady[1] = 0.1 }, "bucket 1 is ready after 0.1"},
		"ready NaN":            {func(s *Study) { s.BucketReady[0] = math.NaN() }, "bucket 0 is ready after NaN"},
		"mode":                 {func(s *Study) { s.Points[0].Mode = "odd" }, `point 0 (odd, 1 ranks): mode "odd"`},
		"ranks":                {func(s *Study) { s.Points[1].Ranks = 0 }, "point 1 (weak, 0 ranks): 0 ranks"},
		"batch":                {func(s *Study) { s.Points[1].GlobalBatch = 0 }, "a global batch of 0"},
		"step":                 {func(s *Study) { s.Points[1].StepSeconds = math.NaN() }, "a step of NaN s"},
		"speed":                {func(s *Study) { s.Points[1].ImagesPerSecond = 0 }, "0 images/s"},
		"some ranks":           {func(s *Study) { s.Points[2].PerRank = s.Points[2].PerRank[1:] }, "a breakdown of 1 ranks"},
		"a rank twice":         {func(s *Study) { s.Points[2].PerRank[1].Rank = 0 }, "rank 0 of the breakdown"},
		"negative part":        {func(s *Study) { s.Points[2].PerRank[1].Parts.Forward = -1 }, "rank 1: forward of -1 s"},
		"negative rest":        {func(s *Study) { s.Points[2].PerRank[1].Parts.Other = -1 }, "rank 1: other of -1 s"},
		"straggler":            {func(s *Study) { s.Points[2].PerRank[0].Parts.Straggler = 9 }, "9 s of waiting for stragglers"},
		"empty step":           {func(s *Study) { s.Points[2].PerRank[0].Parts = Parts{} }, "all parts of the step are 0"},
		"twice":                {func(s *Study) { s.Points[3] = s.Points[1] }, "point 3 (weak, 1 ranks): measured twice"},
		"strong batch":         {func(s *Study) { s.Points[2].GlobalBatch++ }, "strong scaling keeps it"},
		"weak batch":           {func(s *Study) { s.Points[3].GlobalBatch++ }, "weak scaling keeps them"},
		"collective":           {func(s *Study) { s.Collectives[4].Seconds = 0 }, "collective 4: 2 ranks"},
		"collective of no one": {func(s *Study) { s.Collectives[0].Ranks = 0 }, "collective 0: 0 ranks"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sampleStudy(1, 2)
			if err := s.Validate(); err != nil {
				t.Fatalf("before: %v", err)
			}
			c.spoil(&s)
			if _, err := Analyse(s); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q in it", err, c.says)
			}
		})
	}
}

func TestARestBelowZeroByRoundingIsTaken(t *testing.T) {
	s := sampleStudy(1, 2)
	s.Points[0].PerRank[0].Parts.Other = -1e-9
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}
