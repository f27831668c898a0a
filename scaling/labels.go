package scaling

import "unicode/utf8"

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
	half := glyphWidth * float64(utf8.RuneCountInString(text)) / 2
	return box{x - half, y - textHeight, x + half, y + 3}
}

// placer finds room for labels inside a frame, so that none covers another or what was taken before.
type placer struct {
	frame box
	taken []box
}

func (p *placer) take(b box) { p.taken = append(p.taken, b) }

// place puts a label above a point, else below it. It is false where both are taken: then the label is left out, and the
// value stands in the point's tooltip and in the table.
func (p *placer) place(x, y float64, text string) (baseline float64, ok bool) {
	for _, baseline := range []float64{y - 8, y + textHeight + 7} {
		b := textBox(x, baseline, text)
		if b.inside(p.frame) && !p.covered(b) {
			p.take(b)
			return baseline, true
		}
	}
	return 0, false
}

func (p *placer) covered(b box) bool {
	for _, t := range p.taken {
		if t.meets(b) {
			return true
		}
	}
	return false
}
