package data

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"testing"
)

// gunzip returns the content of a compressed file in testdata.
func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// first8 is the first eight images of the published test set.
func first8(t testing.TB) *Dataset {
	t.Helper()
	pixels, n, side, err := DecodeImages(gunzip(t, "first8-images-idx3-ubyte.gz"))
	if err != nil || n != 8 || side != Side {
		t.Fatal(n, side, err)
	}
	labels, err := DecodeLabels(gunzip(t, "first8-labels-idx1-ubyte.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return NewDataset(pixels, labels, side)
}

// The golden files are what Pillow makes of the first four test images.
func TestResizeIsPILsToThePixel(t *testing.T) {
	set := first8(t)
	for _, side := range []int{96, 224} {
		want := gunzip(t, fmt.Sprintf("resized-%d.u8.gz", side))
		if len(want) != 4*side*side {
			t.Fatalf("the golden file for %d has %d bytes", side, len(want))
		}
		r := NewResizer(Side, side)
		got := make([]byte, side*side)
		for i := range 4 {
			golden := want[i*side*side : (i+1)*side*side]
			r.Bytes(got, set.Image(i))
			if !bytes.Equal(got, golden) {
				t.Errorf("image %d at %d differs from PIL's", i, side)
			}
			floats := make([]float32, side*side)
			Normalize(floats, got)
			for p, v := range floats {
				if v != float32(golden[p])/255 {
					t.Fatalf("image %d at %d: pixel %d is %v, want %d/255", i, side, p, v, golden[p])
				}
			}
		}
	}
}

func TestResizeToTheSameSizeCopies(t *testing.T) {
	set := first8(t)
	got := make([]byte, Side*Side)
	NewResizer(Side, Side).Bytes(got, set.Image(0))
	if !bytes.Equal(got, set.Image(0)) {
		t.Error("the image changed")
	}
}

// White must stay white whatever the weights round to: the sums are not clipped.
func TestResizeKeepsExtremesAtEverySize(t *testing.T) {
	for from := 1; from <= 40; from += 9 {
		src := bytes.Repeat([]byte{255}, from*from)
		for to := 1; to <= 100; to += 9 {
			dst := make([]byte, to*to)
			NewResizer(from, to).Bytes(dst, src)
			for _, p := range dst {
				if p != 255 {
					t.Fatalf("from %d to %d: white became %d", from, to, p)
				}
			}
		}
	}
}

func TestNormalizeIsTheTableAtEveryLength(t *testing.T) {
	src := make([]byte, 300)
	for i := range src {
		src[i] = byte(i)
	}
	for n := range src {
		dst := make([]float32, n)
		Normalize(dst, src[:n])
		for i, v := range dst {
			if v != unit[src[i]] {
				t.Fatalf("length %d: %d became %v", n, src[i], v)
			}
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	set := first8(b)
	for _, side := range []int{28, 96, 224} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			r := NewResizer(Side, side)
			resized, dst := make([]byte, side*side), make([]float32, side*side)
			b.ReportAllocs()
			for i := range b.N {
				r.Bytes(resized, set.Image(i%8))
				Normalize(dst, resized)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// A device that resizes by a Resampling gets the same pixels.
func TestAResamplingIsTheResizers(t *testing.T) {
	set := first8(t)
	for _, side := range []int{7, 28, 33, 96} {
		r := NewResampling(Side, side)
		bounds, weights, taps := r.Bounds, r.Weights, r.Taps
		if len(bounds) != 2*side || len(weights) != side*taps {
			t.Fatalf("%d bounds, %d weights for %d pixels of %d taps", len(bounds), len(weights), side, taps)
		}
		pass := func(x int, pixel func(tap int) byte) byte {
			sum := int32(1 << 21)
			for k := range bounds[2*x+1] {
				sum += weights[x*taps+int(k)] * int32(pixel(int(bounds[2*x]+k)))
			}
			return byte(sum >> 22)
		}
		src, want := set.Image(0), make([]byte, side*side)
		NewResizer(Side, side).Bytes(want, src)
		for i := range want {
			got := pass(i/side, func(row int) byte {
				return pass(i%side, func(column int) byte { return src[row*Side+column] })
			})
			if got != want[i] {
				t.Fatalf("%d to %d: pixel %d is %d, want %d", Side, side, i, got, want[i])
			}
		}
	}
}
