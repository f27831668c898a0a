package scaling

import (
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPlacedLabelsDoNotMeet(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	placed, left := 0, 0
	for range 50 {
		p := placer{frame: box{0, 0, 300, 200}}
		p.along(0, 200, 300, 0)
		for range 20 {
			before := len(p.taken)
			x, y := 300*r.Float64(), 200*r.Float64()
			middle, baseline, ok := p.place(x, y, "12345"[:1+r.IntN(5)])
			if !ok {
				left++
				continue
			}
			placed++
			b := p.taken[before]
			if !b.inside(p.frame) || b.bottom != baseline+3 || (b.left+b.right)/2-middle > 1e-9 {
				t.Fatalf("label at %g, %g takes %+v", middle, baseline, b)
			}
			for _, other := range p.taken[:before] {
				if b.meets(other) {
					t.Fatalf("%+v covers %+v", b, other)
				}
			}
		}
	}
	if placed == 0 || left == 0 {
		t.Errorf("%d labels placed, %d left out: the test needs both", placed, left)
	}
}

// TestNoTextOfAPlotCoversAnother reads the boxes of all words from the finished plots.
func TestNoTextOfAPlotCoversAnother(t *testing.T) {
	for name, study := range pageStudies() {
		r, err := Analyse(study)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.figures() {
			boxes, words := textBoxes(t, string(f.SVG))
			if len(boxes) < 5 {
				t.Errorf("%s, %s: only %d words", name, f.Title, len(boxes))
			}
			for i := range boxes {
				for j := range i {
					if boxes[i].meets(boxes[j]) {
						t.Errorf("%s, %s: %q covers %q", name, f.Title, words[i], words[j])
					}
				}
			}
		}
	}
}

func textBoxes(t *testing.T, picture string) (boxes []box, words []string) {
	t.Helper()
	var svg struct {
		Text []struct {
			X      float64 `xml:"x,attr"`
			Y      float64 `xml:"y,attr"`
			Anchor string  `xml:"text-anchor,attr"`
			Words  string  `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.NewDecoder(strings.NewReader(picture)).Decode(&svg); err != nil {
		t.Fatal(err)
	}
	for _, text := range svg.Text {
		half := textHalf(text.Words)
		x := text.X
		switch text.Anchor {
		case "start":
			x += half
		case "end":
			x -= half
		case "middle":
		default:
			t.Fatal(fmt.Errorf("anchor %q", text.Anchor))
		}
		boxes, words = append(boxes, textBox(x, text.Y, text.Words)), append(words, text.Words)
	}
	return boxes, words
}
