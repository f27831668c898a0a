package data

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// The contact sheet's measures in pixels.
const (
	sheetTile   = 84 // a sample, three times its size
	sheetGap    = 6
	sheetMargin = 24
	sheetName   = 250 // column of class names
	sheetTitle  = 60
)

var (
	sheetPaper = color.Gray{250}
	sheetInk   = color.Gray{30}
	sheetFaint = color.Gray{110}
)

// ContactSheet writes a PNG with the first perClass samples of every class, one row per class, with its name, number
// and count. title heads the sheet, such as the part of the data set.
func ContactSheet(w io.Writer, set *Dataset, title string, perClass int) error {
	if perClass < 1 {
		return fmt.Errorf("data: a contact sheet of %d samples a class", perClass)
	}
	samples, counts := firstOfEachClass(set, perClass)
	return drawSheet(w, set, title, counts, perClass, func(class, column int) []byte {
		if column >= len(samples[class]) {
			return nil
		}
		return set.Image(samples[class][column])
	})
}

// AugmentationSheet is a ContactSheet of the first sample of every class: as it is stored, then as each of the epochs
// from a.Epoch on would train on it.
func AugmentationSheet(w io.Writer, set *Dataset, title string, a Augmentation, epochs int) error {
	if epochs < 1 {
		return fmt.Errorf("data: a contact sheet of %d epochs", epochs)
	}
	samples, counts := firstOfEachClass(set, 1)
	changed := make([]byte, set.Side*set.Side)
	first := a.Epoch
	return drawSheet(w, set, title, counts, 1+epochs, func(class, column int) []byte {
		if len(samples[class]) == 0 {
			return nil
		}
		sample := samples[class][0]
		if column == 0 {
			return set.Image(sample)
		}
		a.Epoch = first + column - 1
		a.Apply(changed, set.Image(sample), set.Side, sample)
		return changed
	})
}

// drawSheet writes the rows of all classes. pixels gives the image of a column, nil for none; they are drawn before it
// is called again.
func drawSheet(w io.Writer, set *Dataset, title string, counts [Classes]int, columns int, pixels func(class, column int) []byte) error {
	pitch := sheetTile + sheetGap
	sheet := image.NewGray(image.Rect(0, 0, 2*sheetMargin+sheetName+columns*pitch-sheetGap, 2*sheetMargin+sheetTitle+Classes*pitch-sheetGap))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(sheetPaper), image.Point{}, draw.Src)
	caption(sheet, sheetMargin, sheetMargin, 3, sheetInk, fmt.Sprintf("Fashion-MNIST, %s: %s images", title, thousands(set.N)))

	resizer := NewResizer(set.Side, sheetTile)
	tile := image.NewGray(image.Rect(0, 0, sheetTile, sheetTile))
	for class, name := range ClassNames {
		y := sheetMargin + sheetTitle + class*pitch
		caption(sheet, sheetMargin, y+12, 2, sheetInk, name)
		caption(sheet, sheetMargin, y+46, 2, sheetFaint, fmt.Sprintf("%d  n=%s", class, thousands(counts[class])))
		for column := range columns {
			from := pixels(class, column)
			if from == nil {
				break
			}
			resizer.Bytes(tile.Pix, from)
			at := image.Pt(sheetMargin+sheetName+column*pitch, y)
			draw.Draw(sheet, image.Rectangle{at, at.Add(tile.Rect.Max)}, tile, image.Point{}, draw.Src)
		}
	}
	return png.Encode(w, sheet)
}

// firstOfEachClass lists up to n samples of each class in stored order, and counts all of them.
func firstOfEachClass(set *Dataset, n int) (samples [Classes][]int, counts [Classes]int) {
	for i, class := range set.Labels {
		counts[class]++
		if len(samples[class]) < n {
			samples[class] = append(samples[class], i)
		}
	}
	return samples, counts
}

// caption writes text with its upper left corner at (x, y), the 7 x 13 bitmap font enlarged scale times.
func caption(dst draw.Image, x, y, scale int, ink color.Color, text string) {
	face := basicfont.Face7x13
	small := image.NewAlpha(image.Rect(0, 0, face.Advance*len(text), face.Height))
	pen := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	pen.DrawString(text)
	large := image.NewAlpha(image.Rect(0, 0, small.Rect.Dx()*scale, small.Rect.Dy()*scale))
	draw.NearestNeighbor.Scale(large, large.Rect, small, small.Rect, draw.Src, nil)
	draw.DrawMask(dst, large.Rect.Add(image.Pt(x, y)), image.NewUniform(ink), image.Point{}, large, image.Point{}, draw.Over)
}

// thousands groups the digits of n, as in 60,000.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}
