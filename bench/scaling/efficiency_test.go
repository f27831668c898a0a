package scaling

import "testing"

func TestSpeedupAndEfficiency(t *testing.T) {
	point := func(mode string, ranks int, speed float64) Point {
		return Point{Mode: mode, Ranks: ranks, ThreadsPerRank: 1, GlobalBatch: 64, Steps: 1, StepSeconds: 1, ImagesPerSecond: speed}
	}
	got := scale([]Point{
		point(Weak, 4, 120), point(Weak, 2, 80), point(Strong, 8, 400), point(Strong, 1, 100), point(Strong, 2, 150),
	})
	want := []struct {
		mode                string
		ranks, base         int
		speedup, efficiency float64
	}{
		{Strong, 1, 1, 1, 1}, {Strong, 2, 1, 1.5, 0.75}, {Strong, 8, 1, 4, 0.5},
		// Without a point of one rank, the fewest count as perfect.
		{Weak, 2, 2, 2, 1}, {Weak, 4, 2, 3, 0.75},
	}
	if len(got) != len(want) {
		t.Fatalf("%d points, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Mode != w.mode || g.Ranks != w.ranks || g.BaseRanks != w.base || !near(g.Speedup, w.speedup, 1e-12) || !near(g.Efficiency, w.efficiency, 1e-12) {
			t.Errorf("point %d: %s %d from %d: %g, %g; want %+v", i, g.Mode, g.Ranks, g.BaseRanks, g.Speedup, g.Efficiency, w)
		}
	}
}

func TestSameWorkIsFoundInEitherMode(t *testing.T) {
	s := sampleStudy(1, 2, 4)
	scaling := scale(s.Points)
	// 256 images over 4 ranks are the 64 a rank of weak scaling.
	strong4 := &ofMode(scaling, Strong)[2].Point
	if got := sameWork(scaling, strong4); got == nil || got.Mode != Weak || got.Ranks != 1 {
		t.Errorf("same work as strong scaling's 4 ranks: %+v", got)
	}
	strong2 := &ofMode(scaling, Strong)[1].Point
	if got := sameWork(scaling, strong2); got != nil {
		t.Errorf("128 images per rank were measured nowhere else: %+v", got)
	}
	strong4.ThreadsPerRank = 2
	if got := sameWork(scaling, strong4); got != nil {
		t.Errorf("ranks of other threads are not the same work: %+v", got)
	}
}
