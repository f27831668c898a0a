package scaling

import (
	"math"
	"unicode/utf8"
)

// box is a rectangle of a plot that something takes, in pixels.
type box struct{ left, top, right, bottom float64 }

func (b box) meets(c box) bool {
	return b.left < c.right && c.left < b.right && b.top < c.bottom && c.top < b.bottom
}

func (b box) inside(c box) bool {
	return b.left >= c.left && b.right <= c.right && b.top >= c.top && b.bottom <= c.bottom
}

// Size of a plot's text, in pixels. Digits of the page's font are about 0.56 of its height wide; 0.62 leaves room.
const (
	textHeight = 12
	glyphWidth = 0.62 * textHeight
)

// textBox is what a line of text takes whose middle is at x and whose baseline is at y.
func textBox(x, y float64, text string) box {
	half := textHalf(text)
	return box{x - half, y - textHeight, x + half, y + 3}
}

func textHalf(text string) float64 { return glyphWidth * float64(utf8.RuneCountInString(text)) / 2 }

// placer finds room for labels inside a frame, so that none covers another or what was taken before.
type placer struct {
	frame box
	taken []box
}

func (p *placer) take(b box) { p.taken = append(p.taken, b) }

// along takes the room of a straight line, in pieces.
func (p *placer) along(x1, y1, x2, y2 float64) {
	const piece, half = 4.0, 1.0
	n := math.Ceil(math.Hypot(x2-x1, y2-y1) / piece)
	for i := 0.0; i <= n; i++ {
		x, y := x1+(x2-x1)*i/max(1, n), y1+(y2-y1)*i/max(1, n)
		p.take(box{x - half, y - half, x + half, y + half})
	}
}

// place puts a label above or below a point, or beside one of these to keep clear of a rising or falling line. It is
// false where all are taken: then the label is left out, and the value stands in the point's tooltip and in the table.
func (p *placer) place(x, y float64, text string) (middle, baseline float64, ok bool) {
	aside := textHalf(text) + 4
	above, below := y-10, y+textHeight+7
	for _, at := range [][2]float64{{x, above}, {x, below}, {x - aside, above}, {x + aside, below}, {x + aside, above}, {x - aside, below}} {
		b := textBox(at[0], at[1], text)
		if b.inside(p.frame) && !p.covered(b) {
			p.take(b)
			return at[0], at[1], true
		}
	}
	return 0, 0, false
}

func (p *placer) covered(b box) bool {
	for _, t := range p.taken {
		if t.meets(b) {
			return true
		}
	}
	return false
}
