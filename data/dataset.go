package data

import (
	"encoding/binary"
	"fmt"
)

// Dataset is a set of labelled images. Nothing writes to it after it is made, so goroutines may share it.
type Dataset struct {
	Images []byte // [N, Side, Side], 0 is the background
	Labels []byte // [N], below Classes
	N      int
	Side   int // pixels

	hash string // of the files, if it came from files
}

// NewDataset wraps images and labels that the caller will not change any more. It panics if their lengths disagree.
func NewDataset(images, labels []byte, side int) *Dataset {
	if len(images) != len(labels)*side*side {
		panic(fmt.Sprintf("data: %d bytes are not %d images of %d x %d", len(images), len(labels), side, side))
	}
	return &Dataset{Images: images, Labels: labels, N: len(labels), Side: side}
}

// Image is the pixels of image i, [Side, Side].
func (d *Dataset) Image(i int) []byte {
	size := d.Side * d.Side
	return d.Images[i*size : (i+1)*size : (i+1)*size]
}

// Hash identifies the content for the digest of a run's configuration: the SHA-256, in hex, of the hex SHA-256 of the
// images' IDX file followed by that of the labels'.
func (d *Dataset) Hash() string {
	if d.hash != "" {
		return d.hash
	}
	return pairHash(hashOf(encodeIDX(imagesMagic, d.Images, d.N, d.Side, d.Side)), hashOf(encodeIDX(labelsMagic, d.Labels, d.N)))
}

func pairHash(images, labels string) string { return hashOf([]byte(images + labels)) }

func encodeIDX(magic uint32, body []byte, dims ...int) []byte {
	content := binary.BigEndian.AppendUint32(nil, magic)
	for _, d := range dims {
		content = binary.BigEndian.AppendUint32(content, uint32(d))
	}
	return append(content, body...)
}

// Load reads, verifies and decodes all four files. The error names the file; it is a HashError or wraps ErrFormat
// where the content is at fault.
func (s *Source) Load() (train, test *Dataset, err error) {
	if train, err = loadPair(s.Files.TrainImages, s.Paths[0], s.Files.TrainLabels, s.Paths[1]); err != nil {
		return nil, nil, err
	}
	test, err = loadPair(s.Files.TestImages, s.Paths[2], s.Files.TestLabels, s.Paths[3])
	return train, test, err
}

func loadPair(images File, imagesPath string, labels File, labelsPath string) (*Dataset, error) {
	content, err := images.read(imagesPath)
	if err != nil {
		return nil, err
	}
	pixels, n, side, err := DecodeImages(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", imagesPath, err)
	}
	if content, err = labels.read(labelsPath); err != nil {
		return nil, err
	}
	classes, err := DecodeLabels(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labelsPath, err)
	}
	if len(classes) != n {
		return nil, fmt.Errorf("%s has %d images, %s has %d labels: %w", imagesPath, n, labelsPath, len(classes), ErrFormat)
	}
	return &Dataset{Images: pixels, Labels: classes, N: n, Side: side, hash: pairHash(images.SHA256, labels.SHA256)}, nil
}

// FileStatus is what Verify found out about one file.
type FileStatus struct {
	Path string
	File File
	Err  error // nil: the content is the published one
}

// Verify checks the content of each file, so that a report can name all that are damaged.
func (s *Source) Verify() [4]FileStatus {
	var status [4]FileStatus
	for i, file := range s.Files.all() {
		_, err := file.read(s.Paths[i])
		status[i] = FileStatus{Path: s.Paths[i], File: file, Err: err}
	}
	return status
}
