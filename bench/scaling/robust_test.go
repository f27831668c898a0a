package scaling

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomStudy is valid and otherwise odd: parts that are 0, sizes far apart, points without a breakdown.
func randomStudy(r *rand.Rand) Study {
	some := func(v float64) float64 { return v * float64(r.IntN(2)) }
	s := Study{Cores: r.IntN(5), Hosts: r.IntN(3), GroupRanks: r.IntN(20), Emulated: r.IntN(4) == 0}
	for range r.IntN(4) {
		b := 1 + r.Int64N(1<<uint(1+r.IntN(28)))
		s.Buckets = append(s.Buckets, b)
		s.GradientBytes += b
	}
	for _, mode := range []string{Strong, Weak} {
		for n := 1; n <= 20 && r.IntN(6) > 0; n += 1 + r.IntN(9) {
			p := Point{Mode: mode, Ranks: n, ThreadsPerRank: 1 + r.IntN(2), GlobalBatch: 64, Steps: 1, StepSeconds: math.Exp(-9 * r.Float64()), ImagesPerSecond: 1e4 * r.Float64()}
			if mode == Weak {
				p.GlobalBatch = 8 * n
			}
			for rank := range n {
				q := Parts{Data: some(r.Float64()), Forward: some(r.Float64()), Backward: some(r.Float64()), ExposedComm: some(r.Float64()),
					Optimizer: some(r.Float64()), Other: 1e-6, HiddenComm: some(r.Float64())}
				q.Straggler = some(q.ExposedComm)
				p.PerRank = append(p.PerRank, RankPoint{Rank: rank, Parts: q, StepSeconds: q.Total(), CPUSeconds: some(r.Float64())})
			}
			if r.IntN(5) == 0 {
				p.PerRank = nil
			}
			s.Points = append(s.Points, p)
		}
	}
	for range r.IntN(15) {
		c := Collective{Ranks: 1 + r.IntN(9), Bytes: 1 + r.Int64N(1<<uint(1+r.IntN(30)))}
		c.Seconds = (1e-5 + 1e-9*float64(c.Bytes)) * math.Exp(r.Float64()*float64(r.IntN(3)))
		s.Collectives = append(s.Collectives, c)
	}
	return s
}

// TestEveryValidStudyHasAReport fails on a panic, on a number that is none (JSON has no NaN), and on a broken page.
func TestEveryValidStudyHasAReport(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	studies, predicted := 0, 0
	n := 80
	if testing.Short() {
		n = 20
	}
	for range n {
		s := randomStudy(r)
		if len(s.Points) == 0 {
			continue
		}
		studies++
		report, err := Analyse(s)
		if err != nil {
			t.Fatalf("%v of %+v", err, s)
		}
		if len(report.Outlook.Predictions) > 0 {
			predicted++
		}
		for _, write := range []func(io.Writer, Report) error{WriteText, WriteJSON, WriteHTML} {
			var out strings.Builder
			if err := write(&out, report); err != nil {
				t.Fatalf("%v of %+v", err, s)
			}
			for line := range strings.Lines(out.String()) {
				if strings.Contains(line, "NaN") || strings.Contains(line, "+Inf") || strings.Contains(line, "-Inf") {
					t.Fatalf("%q of %+v has a number that is none", line, s)
				}
			}
			if !strings.HasPrefix(out.String(), "<!DOCTYPE") {
				continue
			}
			d := xml.NewDecoder(strings.NewReader(out.String()))
			for err == nil {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Fatalf("%v in the page of %+v", err, s)
			}
		}
	}
	if predicted == 0 || predicted == studies {
		t.Errorf("%d of %d studies have predictions: both kinds are wanted", predicted, studies)
	}
}
