package data

import (
	"encoding/binary"
	"fmt"
)

// The IDX format (Y. LeCun, "The MNIST database"): all numbers big endian.
//
//	images: uint32 0x00000803, uint32 count, uint32 rows, uint32 columns, count*rows*columns bytes
//	labels: uint32 0x00000801, uint32 count, count bytes
//
// The magic's third byte is the element type (8: unsigned byte), its fourth the number of dimensions.
const (
	imagesMagic  = 0x00000803
	labelsMagic  = 0x00000801
	imagesHeader = 16
	labelsHeader = 8
)

// DecodeImages returns the pixels of square images, count*side*side bytes that alias content. The error wraps
// ErrFormat and says what is wrong; it allocates nothing that the content's length does not justify.
func DecodeImages(content []byte) (pixels []byte, count, side int, err error) {
	dims, err := decodeHeader(content, imagesMagic, imagesHeader)
	if err != nil {
		return nil, 0, 0, err
	}
	if dims[1] != dims[2] || dims[1] == 0 {
		return nil, 0, 0, fmt.Errorf("%w: its images are %d x %d, only square ones are taken", ErrFormat, dims[1], dims[2])
	}
	// Compared by division: the product of three claimed uint32 can overflow.
	body, image := uint64(len(content)-imagesHeader), uint64(dims[1])*uint64(dims[2])
	if body/image != uint64(dims[0]) || body%image != 0 {
		return nil, 0, 0, fmt.Errorf("%w: its header says %d images of %d x %d, %d bytes follow", ErrFormat, dims[0], dims[1], dims[2], body)
	}
	return content[imagesHeader:], int(dims[0]), int(dims[1]), nil
}

// DecodeLabels returns the labels, which alias content. The error wraps ErrFormat.
func DecodeLabels(content []byte) ([]byte, error) {
	dims, err := decodeHeader(content, labelsMagic, labelsHeader)
	if err != nil {
		return nil, err
	}
	labels := content[labelsHeader:]
	if uint64(len(labels)) != uint64(dims[0]) {
		return nil, fmt.Errorf("%w: its header says %d labels, %d bytes follow", ErrFormat, dims[0], len(labels))
	}
	for i, label := range labels {
		if label >= Classes {
			return nil, fmt.Errorf("%w: label %d is %d, the classes are 0 to %d", ErrFormat, i, label, Classes-1)
		}
	}
	return labels, nil
}

// decodeHeader returns the dimensions, unused ones zero.
func decodeHeader(content []byte, magic uint32, header int) (dims [3]uint32, err error) {
	if len(content) < header {
		return dims, fmt.Errorf("%w: it is truncated, %d bytes are less than a header", ErrFormat, len(content))
	}
	if got := binary.BigEndian.Uint32(content); got != magic {
		return dims, fmt.Errorf("%w: it starts with 0x%08x, expected 0x%08x", ErrFormat, got, magic)
	}
	for i := range (header - 4) / 4 {
		dims[i] = binary.BigEndian.Uint32(content[4+4*i:])
	}
	return dims, nil
}
