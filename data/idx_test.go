package data

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// tinyImages and tinyLabels are a valid set of three images of 2 x 2.
var (
	tinyImages = encodeIDX(imagesMagic, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 2, 2)
	tinyLabels = encodeIDX(labelsMagic, []byte{9, 0, 4}, 3)
)

func TestDecodeTakesWhatTheHeaderSays(t *testing.T) {
	pixels, n, side, err := DecodeImages(tinyImages)
	if err != nil || n != 3 || side != 2 || !bytes.Equal(pixels, tinyImages[16:]) {
		t.Errorf("images: %v %d %d %v", pixels, n, side, err)
	}
	labels, err := DecodeLabels(tinyLabels)
	if err != nil || !bytes.Equal(labels, []byte{9, 0, 4}) {
		t.Errorf("labels: %v %v", labels, err)
	}
}

func TestDecodeRefusesWhatItIsNot(t *testing.T) {
	images := func(b []byte) error { _, _, _, err := DecodeImages(b); return err }
	labels := func(b []byte) error { _, err := DecodeLabels(b); return err }
	for name, c := range map[string]struct {
		decode  func([]byte) error
		content []byte
		says    string
	}{
		"empty":           {images, nil, "truncated, 0 bytes"},
		"half a header":   {images, tinyImages[:15], "truncated, 15 bytes"},
		"truncated":       {images, tinyImages[:len(tinyImages)-1], "3 images of 2 x 2, 11 bytes follow"},
		"an image less":   {images, tinyImages[:len(tinyImages)-4], "3 images of 2 x 2, 8 bytes follow"},
		"oversized":       {images, append(bytes.Clone(tinyImages), 0), "3 images of 2 x 2, 13 bytes follow"},
		"labels' magic":   {images, append(bytes.Clone(tinyLabels), tinyLabels...), "starts with 0x00000801, expected 0x00000803"},
		"not square":      {images, encodeIDX(imagesMagic, make([]byte, 6), 1, 2, 3), "2 x 3"},
		"no pixels":       {images, encodeIDX(imagesMagic, nil, 5, 0, 0), "0 x 0"},
		"overflow":        {images, encodeIDX(imagesMagic, nil, 1<<32-1, 1<<31, 1<<31), "4294967295 images of 2147483648 x 2147483648, 0 bytes follow"},
		"images' magic":   {labels, tinyImages, "starts with 0x00000803, expected 0x00000801"},
		"too few labels":  {labels, tinyLabels[:10], "3 labels, 2 bytes follow"},
		"too many labels": {labels, append(bytes.Clone(tinyLabels), 1), "3 labels, 4 bytes follow"},
		"unknown class":   {labels, encodeIDX(labelsMagic, []byte{1, 10}, 2), "label 1 is 10"},
	} {
		if err := c.decode(c.content); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(tinyImages)
	f.Add(tinyLabels)
	f.Add(encodeIDX(imagesMagic, nil, 1<<32-1, 1<<31, 1<<31))
	f.Fuzz(func(t *testing.T, content []byte) {
		pixels, n, side, err := DecodeImages(content)
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("images: an error of another kind: %v", err)
		}
		if err == nil && !bytes.Equal(encodeIDX(imagesMagic, pixels, n, side, side), content) {
			t.Errorf("%d images of %d do not encode to what they were", n, side)
		}
		labels, err := DecodeLabels(content)
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("labels: an error of another kind: %v", err)
		}
		if err == nil && !bytes.Equal(encodeIDX(labelsMagic, labels, len(labels)), content) {
			t.Errorf("%d labels do not encode to what they were", len(labels))
		}
	})
}
