package modelstest

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"

	"ringloom/data"
)

// goldenPixels are the bytes of a golden file's images. They are taken from resized-SIDE.u8.gz, the first test images
// as PIL scales them, in the golden folder or else in this package; images that neither has come from the data set.
// Whatever is returned has the golden file's checksum.
func goldenPixels(t testing.TB, g Golden) []byte {
	t.Helper()
	n, side := g.Input[0], g.Input[2]
	file, size := fmt.Sprintf("resized-%d.u8.gz", side), side*side
	for _, folder := range []fs.FS{goldenFolder(t), keptFolder(t)} {
		images, err := readGzip(folder, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatalf("golden pixels %s: %v", file, err)
		}
		// A folder's file may begin with the golden file's first image instead of the first of all.
		for _, first := range []int{g.FirstTestImage, 0} {
			if end := (first + n) * size; end <= len(images) && checksum(images[first*size:end]) == g.PixelsSHA256 {
				return images[first*size : end]
			}
		}
	}
	pixels := resizedTestImages(t, g.FirstTestImage, n, side)
	if sum := checksum(pixels); sum != g.PixelsSHA256 {
		t.Fatalf("test images %d to %d at %d pixels have SHA-256 %s, the golden file has %s", g.FirstTestImage, g.FirstTestImage+n-1, side, sum, g.PixelsSHA256)
	}
	return pixels
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func readGzip(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// loadTestSet reads it once.
var loadTestSet = sync.OnceValues(func() (*data.Dataset, error) {
	source, err := data.Find(context.Background(), data.Options{Offline: true})
	if err != nil {
		return nil, errors.Join(errNoTestSet, err)
	}
	_, test, err := source.Load()
	return test, err
})

var errNoTestSet = errors.New("images have to come from the data set, which is not here")

func testSet(t testing.TB) *data.Dataset {
	t.Helper()
	test, err := loadTestSet()
	switch {
	case errors.Is(err, errNoTestSet):
		t.Skipf("SKIPPED: %v", err)
	case err != nil:
		t.Fatalf("test images: %v", err)
	}
	return test
}

// resizedTestImages scales images of the real test set, which must be on this machine: a test downloads nothing.
func resizedTestImages(t testing.TB, first, n, side int) []byte {
	t.Helper()
	test := testSet(t)
	if first < 0 || first+n > test.N {
		t.Fatalf("the golden file wants test images %d to %d of %d", first, first+n-1, test.N)
	}
	resizer, pixels := data.NewResizer(test.Side, side), make([]byte, n*side*side)
	for i := range n {
		resizer.Bytes(pixels[i*side*side:(i+1)*side*side], test.Image(first+i))
	}
	return pixels
}
