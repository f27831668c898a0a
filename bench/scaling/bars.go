package scaling

import (
	"fmt"
	"html/template"
)

// segment is a part of a step as the bars show it. Communication is cut into waiting for the ring and for other ranks.
type segment struct {
	name, colour string
	seconds      func(Parts) float64
}

var segments = []segment{
	{"data", "p-data", func(p Parts) float64 { return p.Data }},
	{"forward", "p-forward", func(p Parts) float64 { return p.Forward }},
	{"backward", "p-backward", func(p Parts) float64 { return p.Backward }},
	{"exposed communication", "p-comm", Parts.network},
	{"waiting for stragglers", "p-straggler", func(p Parts) float64 { return p.Straggler }},
	{"optimizer", "p-optimizer", func(p Parts) float64 { return p.Optimizer }},
	{"other", "p-other", func(p Parts) float64 { return max(0, p.Other) }},
}

// maxBars is the number of ranks of a point that are shown; of more, those that lie evenly between the fastest and the
// slowest.
const maxBars = 8

// Sizes of the bars, in pixels.
const (
	barHeight, barPitch, hiddenHeight    = 13.0, 20.0, 3.0
	groupHeight, groupGap                = 18.0, 6.0
	barsTop, barsLeft, barsEnd, barsFoot = 4.0, 66.0, 70.0, 42.0
)

// partsFigures are one of each mode that has a breakdown: where the steps of its ranks go, in fractions: in strong
// scaling steps become too short to read anything from their lengths.
func (r *Report) partsFigures() []Figure {
	var out []Figure
	for _, mode := range []string{Strong, Weak} {
		var points []Scaling
		for _, p := range ofMode(r.Scaling, mode) {
			if len(p.PerRank) > 0 {
				points = append(points, p)
			}
		}
		if len(points) > 0 {
			out = append(out, partsFigure(mode, points))
		}
	}
	if len(out) == 1 {
		out[0].Wide = true
	}
	return out
}

func partsFigure(mode string, points []Scaling) Figure {
	f := Figure{Title: fmt.Sprintf("Where a step goes, %s scaling", mode),
		Note: "Parts of each rank's mean step, which takes the time at the end of the bar. The thin line below is communication that is hidden: it runs while the rank computes."}
	bars, more := 0, ""
	for i := range points {
		bars += len(shown(&points[i].Point))
		if points[i].Ranks > maxBars {
			more = fmt.Sprintf(" Of more than %d ranks, %d are shown, from the fastest to the slowest.", maxBars, maxBars)
		}
	}
	f.Note += more
	x := linearAxis(1, percent)
	x.from, x.to = barsLeft, chartWidth-barsEnd
	bottom := barsTop + float64(bars)*barPitch + float64(len(points))*(groupHeight+groupGap)
	v := newSVG(chartWidth, bottom+barsFoot, f.Title)
	for _, t := range x.ticks {
		at := x.at(t.value)
		v.line(at, barsTop, at, bottom, "grid")
		v.text(at, bottom+16, "middle", "tick", t.label)
	}
	v.text((x.from+x.to)/2, bottom+36, "middle", "name", "part of the step")
	y := barsTop
	for i := range points {
		p := &points[i].Point
		v.text(8, y+groupHeight-5, "start", "group", ranks(p.Ranks))
		y += groupHeight
		for _, k := range shown(p) {
			bar(v, &x, y, k)
			y += barPitch
		}
		y += groupGap
	}
	f.SVG = v.done()
	for _, s := range segments {
		f.Legend = append(f.Legend, Key{swatch(s.colour, s.name, 10), s.name})
	}
	f.Legend = append(f.Legend, Key{swatch("p-hidden", "hidden", hiddenHeight), "hidden communication"})
	return f
}

// bar draws a rank's step.
func bar(v *svg, x *axis, y float64, k RankPoint) {
	v.text(barsLeft-8, y+barHeight-2, "end", "tick", fmt.Sprintf("rank %d", k.Rank))
	total, from := k.Parts.Total(), 0.0
	for _, s := range segments {
		share := s.seconds(k.Parts) / total
		left := x.at(from)
		v.rect(left, y, x.at(from+share)-left, barHeight, s.colour, fmt.Sprintf("rank %d: %s %s, %s", k.Rank, s.name, ms(share*total), percent(share)))
		from += share
	}
	v.rect(x.from, y+barHeight, x.at(k.Parts.HiddenComm/total)-x.from, hiddenHeight, "p-hidden",
		fmt.Sprintf("rank %d: hidden communication %s", k.Rank, ms(k.Parts.HiddenComm)))
	v.text(x.to+6, y+barHeight-2, "start", "value", ms(total))
}

func swatch(colour, name string, height float64) template.HTML {
	v := newSVG(14, 12, name)
	v.rect(1, 6-height/2, 12, height, colour, name)
	return v.done()
}

// shown is the ranks of a point that have bars.
func shown(p *Point) []RankPoint {
	if len(p.PerRank) <= maxBars {
		return p.PerRank
	}
	ordered := p.byOwn()
	var out []RankPoint
	for i := range maxBars {
		out = append(out, ordered[i*(len(ordered)-1)/(maxBars-1)])
	}
	return out
}
