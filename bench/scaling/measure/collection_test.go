package measure

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ringloom/bench/scaling"
)

// studyOf is what a round measured with so many ranks, at the given seconds per step of each global batch.
func studyOf(ranks int, bucket int64, seconds map[int]float64) scaling.Study {
	s := scaling.Study{Model: "lenet", Buckets: []int64{bucket}, GradientBytes: bucket}
	for batch, step := range seconds {
		s.Points = append(s.Points, scaling.Point{
			Ranks: ranks, ThreadsPerRank: 1, GlobalBatch: batch, Steps: 10, StepSeconds: step, ImagesPerSecond: float64(batch) / step,
		})
	}
	if ranks > 1 {
		s.Collectives = []scaling.Collective{{Ranks: ranks, Bytes: 4096, Seconds: seconds[64] / 10}}
	}
	return s
}

func TestTheBestRoundIsThePointAndTheSpreadIsKept(t *testing.T) {
	batches := Batches{Weak: 64, Strong: 64}
	var c Collection
	c.Add(1, studyOf(1, 1, map[int]float64{64: 1}))
	c.Add(1, studyOf(2, 2, map[int]float64{64: 0.9, 128: 1.5}))
	c.Add(2, studyOf(1, 3, map[int]float64{64: 0.8}))
	c.Add(2, studyOf(2, 4, map[int]float64{64: 0.6, 128: 1.8}))
	s := c.Study(batches)
	type point struct {
		mode  string
		ranks int
		step  float64
	}
	var got []point
	for _, p := range s.Points {
		got = append(got, point{p.Mode, p.Ranks, p.StepSeconds})
	}
	want := []point{{scaling.Strong, 1, 0.8}, {scaling.Strong, 2, 0.6}, {scaling.Weak, 1, 0.8}, {scaling.Weak, 2, 1.5}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(s.Collectives) != 1 || s.Collectives[0].Seconds != 0.06 || s.Buckets[0] != 4 {
		t.Errorf("%+v", s)
	}
	if _, err := scaling.Analyse(s); err != nil {
		t.Error(err)
	}
	var lines, text strings.Builder
	if err := c.WriteJSON(&lines); err != nil {
		t.Fatal(err)
	}
	rounds := 0
	for d := json.NewDecoder(strings.NewReader(lines.String())); d.More(); rounds++ {
		var r Round
		if err := d.Decode(&r); err != nil || r.Kind != "round" || r.Steps != 10 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if rounds != 6 {
		t.Errorf("%d rounds, want 6:\n%s", rounds, lines.String())
	}
	if err := c.WriteText(&text); err != nil || !strings.Contains(text.String(), "  800.00  1000.00     25%  1000.00 800.00") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

// A rank hands a study over with its points in their modes; one that stands in both was measured once.
func TestAStudyCanBeAddedAgain(t *testing.T) {
	batches := Batches{Weak: 64, Strong: 64}
	var one, two Collection
	one.Add(1, studyOf(1, 1, map[int]float64{64: 1}))
	two.Add(3, one.Study(batches))
	if s := two.Study(batches); len(s.Points) != 2 || len(two.rounds) != 1 || two.rounds[0].Round != 3 {
		t.Errorf("%d points, rounds %+v", len(s.Points), two.rounds)
	}
}

func TestGlobalBatches(t *testing.T) {
	for _, c := range []struct {
		b     Batches
		ranks int
		want  []int
	}{
		{Batches{64, 64}, 1, []int{64}},
		{Batches{64, 64}, 2, []int{128, 64}},
		{Batches{Weak: 64}, 4, []int{256}},
		{Batches{Strong: 64}, 4, []int{64}},
	} {
		if got := c.b.Global(c.ranks); !slices.Equal(got, c.want) {
			t.Errorf("%+v, %d ranks: %v, want %v", c.b, c.ranks, got, c.want)
		}
	}
}
