package scaling

import (
	"html/template"
	"math"
)

// Figure is a plot of the page with its texts.
type Figure struct {
	Title, Note string
	Prediction  bool
	Legend      []Key
	SVG         template.HTML
	Wide        bool
}

// Key is an entry of a legend: a sample, and what it stands for.
type Key struct {
	Sample template.HTML
	Text   string
}

// style is how a series is drawn.
type style int

const (
	measuredPoints style = iota // points, joined by a line
	lonePoints                  // points only
	fittedCurve                 // a thin line
	idealLine                   // dotted
	predictedLine               // dashed, with hollow points
)

func (s style) class() string {
	return []string{"line", "line", "line thin", "ideal", "line predicted"}[s]
}

func (s style) hasPoints() bool { return s == measuredPoints || s == lonePoints || s == predictedLine }
func (s style) hasLine() bool   { return s != lonePoints }

// series is one line of a chart. Colour is a class of the page.
type series struct {
	name, colour string
	style        style
	points       []mark
}

// mark is a point: its label is drawn where there is room, its tip always shows under the pointer.
type mark struct {
	x, y       float64
	label, tip string
}

// chart is a plot of series over two axes.
type chart struct {
	title, xName, yName string
	x, y                axis
	series              []series
	prediction          bool
}

// Size of a chart and of its margins, in pixels.
const (
	chartWidth, chartHeight              = 540.0, 320.0
	marginLeft, marginRight              = 66.0, 20.0
	marginTop, marginBottom              = 30.0, 46.0
	pointRadius, hollowRadius, clearance = 4.5, 3.5, 6.0
)

func (c *chart) figure(note string) Figure {
	f := Figure{Title: c.title, Note: note, Prediction: c.prediction, SVG: c.draw()}
	for _, s := range c.series {
		if s.name != "" {
			f.Legend = append(f.Legend, Key{s.sample(), s.name})
		}
	}
	return f
}

// sample is the series in small.
func (s *series) sample() template.HTML {
	v := newSVG(30, 12, s.name)
	if s.style.hasLine() {
		v.line(1, 6, 29, 6, s.style.class()+" "+s.colour)
	}
	s.dot(v, 15, 6, s.name)
	return v.done()
}

func (s *series) dot(v *svg, x, y float64, tip string) {
	switch {
	case s.style == predictedLine:
		v.circle(x, y, hollowRadius, "hollow "+s.colour, tip)
	case s.style.hasPoints():
		v.circle(x, y, pointRadius, "dot "+s.colour, tip)
	}
}

func (c *chart) draw() template.HTML {
	v := newSVG(chartWidth, chartHeight, c.title)
	frame := box{marginLeft, marginTop, chartWidth - marginRight, chartHeight - marginBottom}
	c.x.from, c.x.to = frame.left, frame.right
	c.y.from, c.y.to = frame.bottom, frame.top
	for _, t := range c.y.ticks {
		y := c.y.at(t.value)
		v.line(frame.left, y, frame.right, y, "grid")
		v.text(frame.left-8, y+4, "end", "tick", t.label)
	}
	for _, t := range c.x.ticks {
		x := c.x.at(t.value)
		v.line(x, frame.bottom, x, frame.bottom+4, "axis")
		v.text(x, frame.bottom+20, "middle", "tick", t.label)
	}
	v.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")
	v.text((frame.left+frame.right)/2, chartHeight-6, "middle", "name", c.xName)
	v.text(8, 16, "start", "name", c.yName)
	if c.prediction {
		v.text(frame.right, 16, "end", "mark", "prediction, not measured")
	}
	room := &placer{frame: box{frame.left, marginTop - 10, chartWidth, frame.bottom}}
	for i := range c.series {
		c.trace(v, &c.series[i], room)
	}
	for i := range c.series {
		s := &c.series[i]
		for _, m := range s.points {
			x, y := c.x.at(m.x), c.y.at(m.y)
			s.dot(v, x, y, m.tip)
			if m.label == "" {
				continue
			}
			if middle, baseline, ok := room.place(x, y, m.label); ok {
				v.text(middle, baseline, "middle", "value "+s.colour, m.label)
			}
		}
	}
	return v.done()
}

// trace draws a series' line, and takes its room and that of its points.
func (c *chart) trace(v *svg, s *series, room *placer) {
	var points [][2]float64
	for i, m := range s.points {
		x, y := c.x.at(m.x), c.y.at(m.y)
		if i > 0 && s.style.hasLine() {
			room.along(points[i-1][0], points[i-1][1], x, y)
		}
		points = append(points, [2]float64{x, y})
		if s.style.hasPoints() {
			room.take(box{x - clearance, y - clearance, x + clearance, y + clearance})
		}
	}
	if s.style.hasLine() {
		v.path(points, s.style.class()+" "+s.colour)
	}
}

// between gives n values from lo to hi at even ratios.
func between(lo, hi float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = lo * math.Pow(hi/lo, float64(i)/float64(n-1))
	}
	return out
}
