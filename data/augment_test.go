package data

import (
	"slices"
	"testing"
)

// slow is the definition: pad, crop, then mirror.
func slow(src []byte, side, padding, down, right int, flip bool) []byte {
	wide := side + 2*padding
	padded := make([]byte, wide*wide)
	for y := range side {
		copy(padded[(y+padding)*wide+padding:], src[y*side:(y+1)*side])
	}
	dst := make([]byte, side*side)
	for y := range side {
		row := dst[y*side : (y+1)*side]
		copy(row, padded[(y+padding+down)*wide+padding+right:])
		if flip {
			slices.Reverse(row)
		}
	}
	return dst
}

func TestAugmentationIsAPaddedCropAndAMirror(t *testing.T) {
	set := first8(t)
	dst := slices.Repeat([]byte{77}, Side*Side) // the previous content must not matter
	for _, a := range []Augmentation{{CropPadding: 2, Flip: true, Seed: 3}, {CropPadding: 4}, {Flip: true}, {CropPadding: 14, Flip: true}, {CropPadding: 28}} {
		for epoch := range 50 {
			a.Epoch = epoch
			for i := range set.N {
				down, right, flip := a.draw(i)
				a.Apply(dst, set.Image(i), Side, i)
				if !slices.Equal(dst, slow(set.Image(i), Side, a.CropPadding, down, right, flip)) {
					t.Fatalf("%+v: sample %d is not shifted by %d, %d, mirrored %v", a, i, down, right, flip)
				}
			}
		}
	}
}

// Each place of the crop and each side comes as often as any other: the counts of 36,000 draws over 18 outcomes have a
// standard deviation of 43.
func TestAugmentationDrawsEvenly(t *testing.T) {
	type outcome struct {
		down, right int
		flip        bool
	}
	counts := map[outcome]int{}
	for epoch := range 6 {
		a := Augmentation{CropPadding: 1, Flip: true, Seed: 1, Epoch: epoch}
		for i := range 6000 {
			down, right, flip := a.draw(i)
			counts[outcome{down, right, flip}]++
		}
	}
	if len(counts) != 18 {
		t.Errorf("%d outcomes, want 18", len(counts))
	}
	for o, n := range counts {
		if n < 2000-220 || n > 2000+220 {
			t.Errorf("%+v came %d times of 2000", o, n)
		}
	}
}

// What an image becomes depends on seed, epoch and index alone, not on its place in a batch or on the workers.
func TestAugmentationDependsOnSeedEpochAndSampleAlone(t *testing.T) {
	set := first8(t)
	load := func(a Augmentation, workers int, order []int32) map[int32][]byte {
		l := NewLoader(LoaderConfig{Dataset: set, Side: 40, Steps: 1, Workers: workers, Augmentation: a,
			Batch: func(_ int, dst []int32) []int32 { return append(dst, order...) }})
		defer l.Close()
		b, err := l.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		images := map[int32][]byte{}
		for i, sample := range b.Indices {
			images[sample] = b.Pixels[i*40*40 : (i+1)*40*40]
		}
		return images
	}
	a := Augmentation{CropPadding: 3, Flip: true, Seed: 9, Epoch: 2}
	want := load(a, 1, []int32{0, 1, 2, 3, 4, 5, 6, 7})
	for sample, pixels := range load(a, 3, []int32{6, 2, 0, 5}) {
		if !slices.Equal(pixels, want[sample]) {
			t.Errorf("sample %d differs in another batch", sample)
		}
	}
	resizer, plain, changed := NewResizer(Side, 40), make([]byte, 40*40), 0
	for sample, pixels := range want {
		if resizer.Bytes(plain, set.Image(int(sample))); !slices.Equal(pixels, plain) {
			changed++
		}
	}
	if changed < 6 {
		t.Errorf("%d of 8 images changed", changed)
	}
	for name, other := range map[string]Augmentation{
		"epoch": {CropPadding: 3, Flip: true, Seed: 9, Epoch: 3}, "seed": {CropPadding: 3, Flip: true, Seed: 10, Epoch: 2},
	} {
		same := 0
		for sample, pixels := range load(other, 1, []int32{0, 1, 2, 3, 4, 5, 6, 7}) {
			if slices.Equal(pixels, want[sample]) {
				same++
			}
		}
		if same > 2 {
			t.Errorf("%d of 8 images are the same with another %s", same, name)
		}
	}
	for sample, pixels := range load(Augmentation{}, 1, []int32{0, 7}) {
		if resizer.Bytes(plain, set.Image(int(sample))); !slices.Equal(pixels, plain) {
			t.Errorf("the zero value changes sample %d", sample)
		}
	}
}
