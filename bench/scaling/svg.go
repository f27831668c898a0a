package scaling

import (
	"fmt"
	"html"
	"html/template"
	"strings"
)

// svg is a picture under construction. Colours are the page's, by class; text is escaped here.
type svg struct {
	b             strings.Builder
	width, height float64
}

// newSVG begins a picture. The title is what a screen reader says.
func newSVG(width, height float64, title string) *svg {
	s := &svg{width: width, height: height}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="%s">`,
		width, height, width, height, html.EscapeString(title))
	return s
}

func (s *svg) done() template.HTML {
	s.b.WriteString("</svg>")
	return template.HTML(s.b.String())
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

// path joins points by straight lines.
func (s *svg) path(points [][2]float64, class string) {
	if len(points) < 2 {
		return
	}
	fmt.Fprintf(&s.b, `<path class="%s" d="`, class)
	for i, p := range points {
		fmt.Fprintf(&s.b, "%c%.1f %.1f", "ML"[min(i, 1)], p[0], p[1])
	}
	s.b.WriteString(`"/>`)
}

func (s *svg) circle(x, y, radius float64, class, tip string) {
	fmt.Fprintf(&s.b, `<circle cx="%.1f" cy="%.1f" r="%.1f" class="%s"><title>%s</title></circle>`, x, y, radius, class, html.EscapeString(tip))
}

// rect draws nothing where there is nothing to see.
func (s *svg) rect(x, y, width, height float64, class, tip string) {
	if width < 0.05 {
		return
	}
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.2f" height="%.1f" class="%s"><title>%s</title></rect>`, x, y, width, height, class, html.EscapeString(tip))
}

// text has its anchor ("start", "middle" or "end") at x and its baseline at y.
func (s *svg) text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, html.EscapeString(text))
}
