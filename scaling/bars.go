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
	barsWidth                            = 1120.0
	barHeight, barPitch, hiddenHeight    = 13.0, 20.0, 3.0
	groupGap, barsTop, barsLeft, barsEnd = 12.0, 8.0, 150.0, 96.0
)

// partsFigure is false where there is no breakdown.
func (r *Report) partsFigure() (Figure, bool) {
	longest, rows, groups := 0.0, 0, 0
	for _, p := range r.Scaling {
		for _, k := range p.PerRank {
			longest = max(longest, k.Parts.Total())
		}
		if len(p.PerRank) > 0 {
			rows += len(shown(&p.Point))
			groups++
		}
	}
	if rows == 0 {
		return Figure{}, false
	}
	x := linearAxis(1e3*longest, number)
	x.from, x.to = barsLeft, barsWidth-barsEnd
	bottom := barsTop + float64(rows)*barPitch + float64(groups)*groupGap
	v := newSVG(barsWidth, bottom+42, "Where a step goes")
	for _, t := range x.ticks {
		at := x.at(t.value)
		v.line(at, barsTop, at, bottom, "grid")
		v.text(at, bottom+16, "middle", "tick", t.label)
	}
	v.text((x.from+x.to)/2, bottom+36, "middle", "name", "ms of a step")
	y := barsTop + groupGap/2
	for _, p := range r.Scaling {
		if len(p.PerRank) == 0 {
			continue
		}
		v.text(8, y+barHeight-2, "start", "group", fmt.Sprintf("%s, %s", p.Mode, ranks(p.Ranks)))
		for _, k := range shown(&p.Point) {
			bar(v, &x, y, k)
			y += barPitch
		}
		y += groupGap
	}
	f := Figure{Title: "Where a step goes", SVG: v.done(), Wide: true,
		Note: "Mean over the steps. The thin line below a bar is communication that is hidden: it runs while the rank computes."}
	for _, s := range segments {
		f.Legend = append(f.Legend, Key{swatch(s.colour, s.name, 10), s.name})
	}
	f.Legend = append(f.Legend, Key{swatch("p-hidden", "hidden", hiddenHeight), "hidden communication"})
	for _, p := range r.Scaling {
		if len(p.PerRank) > maxBars {
			f.Note += fmt.Sprintf(" Of more than %d ranks, %d are shown, from the fastest to the slowest.", maxBars, maxBars)
			break
		}
	}
	return f, true
}

// bar draws a rank's step.
func bar(v *svg, x *axis, y float64, k RankPoint) {
	v.text(barsLeft-8, y+barHeight-2, "end", "tick", fmt.Sprintf("rank %d", k.Rank))
	from := 0.0
	for _, s := range segments {
		seconds := s.seconds(k.Parts)
		left := x.at(1e3 * from)
		v.rect(left, y, x.at(1e3*(from+seconds))-left, barHeight, s.colour, fmt.Sprintf("rank %d: %s %s", k.Rank, s.name, ms(seconds)))
		from += seconds
	}
	v.rect(x.from, y+barHeight, x.at(1e3*k.Parts.HiddenComm)-x.from, hiddenHeight, "p-hidden", fmt.Sprintf("rank %d: hidden communication %s", k.Rank, ms(k.Parts.HiddenComm)))
	v.text(x.at(1e3*from)+6, y+barHeight-2, "start", "value", ms(from))
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
