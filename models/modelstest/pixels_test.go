package modelstest

import (
	"bytes"
	"fmt"
	"testing"
)

// Golden files that start at another image are compared with the data set's, scaled here: that must give the same
// bytes as PIL's.
func TestResizedTestImagesAreThoseOfThePackage(t *testing.T) {
	for _, side := range []int{28, 96, 224} {
		want, err := readGzip(keptFolder(t), fmt.Sprintf("resized-%d.u8.gz", side))
		if err != nil {
			t.Fatal(err)
		}
		size := side * side
		if got := resizedTestImages(t, 1, 3, side); !bytes.Equal(got, want[size:4*size]) {
			t.Errorf("test images 1 to 3 at %d pixels differ from resized-%d.u8.gz", side, side)
		}
	}
}
