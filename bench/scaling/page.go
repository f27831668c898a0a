package scaling

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"number": number, "millis": milliseconds, "ratio": ratio, "percent": percent,
}).Parse(pageText))

// page is what the template shows.
type page struct {
	Report            *Report
	Title, Job, Place string
	Cards             []card
	Figures           []Figure
	Points            []pointRow
	HasRanks          bool
	Model             []string
	Collectives       [][]string
	Algorithms        []string
	Predictions       [][]Prediction
}

// card is one large figure.
type card struct{ Name, Value, More, Limit string }

type pointRow struct {
	Scaling
	Limits string
}

// WriteHTML writes one self-contained page, with its style and plots.
func WriteHTML(out io.Writer, r Report) error {
	s := &r.Study
	p := page{
		Report: &r, Title: "How " + known(s.Model, "a network") + " scales", Job: s.job(), Place: s.place(),
		Cards: r.cards(), Figures: r.figures(), Model: r.Fit.describe(), Collectives: r.collectiveRows(),
		Algorithms: algorithms, Predictions: r.Outlook.byRanks(),
	}
	for _, q := range r.Scaling {
		p.Points = append(p.Points, pointRow{q, r.bottleneck(q.Mode, q.Ranks).names()})
		p.HasRanks = p.HasRanks || len(q.PerRank) > 0
	}
	return pageTemplate.Execute(out, p)
}

// cards are the efficiency of each mode at its largest number of ranks, and the ring's link.
func (r *Report) cards() []card {
	var out []card
	for _, mode := range []string{Strong, Weak} {
		points := ofMode(r.Scaling, mode)
		if len(points) == 0 {
			continue
		}
		last := points[len(points)-1]
		speed := number(last.ImagesPerSecond) + " images/s"
		c := card{fmt.Sprintf("%s scaling, %s", title(mode), ranks(last.Ranks)), speed, "nothing to compare with", r.bottleneck(mode, last.Ranks).limitedBy()}
		if len(points) > 1 {
			c.Value, c.More = percent(last.Efficiency)+" efficiency", fmt.Sprintf("%s, speed-up %s", speed, ratio(last.Speedup))
		}
		out = append(out, c)
	}
	if f := &r.Fit; f.Usable && f.Beta > 0 {
		out = append(out, card{"Link of the ring", bandwidth(f.Bandwidth()), ms(f.Alpha) + " a hop", "from a " + f.Quality + " fit"})
	}
	return out
}
