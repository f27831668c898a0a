package data

import (
	"bytes"
	"image/color"
	"image/png"
	"testing"
)

func TestContactSheetShowsTheSamplesInTheirRows(t *testing.T) {
	set := first8(t)
	var b bytes.Buffer
	if err := ContactSheet(&b, set, "test", 3); err != nil {
		t.Fatal(err)
	}
	sheet, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	// The set's labels are 9 2 1 1 6 1 4 6: class 1 has three samples, class 0 none.
	resizer, want := NewResizer(Side, sheetTile), make([]byte, sheetTile*sheetTile)
	for i, sample := range []int{2, 3, 5} {
		resizer.Bytes(want, set.Image(sample))
		x0, y0 := sheetMargin+sheetName+i*(sheetTile+sheetGap), sheetMargin+sheetTitle+sheetTile+sheetGap
		for p, v := range want {
			if got := sheet.At(x0+p%sheetTile, y0+p/sheetTile).(color.Gray); got.Y != v {
				t.Fatalf("pixel %d of sample %d is %d, want %d", p, sample, got.Y, v)
			}
		}
	}
	if got := sheet.At(sheetMargin+sheetName+40, sheetMargin+sheetTitle+40).(color.Gray); got != sheetPaper {
		t.Errorf("the row of a class without samples holds %v", got)
	}
	ink := 0
	for x := sheetMargin; x < sheetMargin+sheetName; x++ {
		for y := sheetMargin + sheetTitle; y < sheetMargin+sheetTitle+sheetTile; y++ {
			if sheet.At(x, y).(color.Gray) == sheetInk {
				ink++
			}
		}
	}
	if ink < 100 {
		t.Errorf("the first caption has %d pixels of ink", ink)
	}
}

func TestAugmentationSheetShowsTheSampleThenTheEpochs(t *testing.T) {
	set := first8(t)
	var b bytes.Buffer
	a := Augmentation{CropPadding: 4, Flip: true, Seed: 1, Epoch: 1}
	if err := AugmentationSheet(&b, set, "test", a, 3); err != nil {
		t.Fatal(err)
	}
	sheet, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	const sample = 2 // the first of class 1
	resizer, want, changed := NewResizer(Side, sheetTile), make([]byte, sheetTile*sheetTile), make([]byte, Side*Side)
	for column := range 4 {
		image := set.Image(sample)
		if column > 0 {
			a.Epoch = column
			a.Apply(changed, image, Side, sample)
			image = changed
		}
		resizer.Bytes(want, image)
		x0, y0 := sheetMargin+sheetName+column*(sheetTile+sheetGap), sheetMargin+sheetTitle+sheetTile+sheetGap
		for p, v := range want {
			if got := sheet.At(x0+p%sheetTile, y0+p/sheetTile).(color.Gray); got.Y != v {
				t.Fatalf("column %d: pixel %d is %d, want %d", column, p, got.Y, v)
			}
		}
	}
}

func TestContactSheetOfNothingIsRefused(t *testing.T) {
	if err := ContactSheet(&bytes.Buffer{}, first8(t), "test", 0); err == nil {
		t.Error("no error")
	}
	if err := AugmentationSheet(&bytes.Buffer{}, first8(t), "test", Augmentation{}, 0); err == nil {
		t.Error("no error for augmentation")
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 60000: "60,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s", n, got)
		}
	}
}
