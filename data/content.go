package data

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// read returns the verified content of a file at path, decompressed where it is compressed, whatever its name says.
func (f File) read(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := readContent(r, f.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, f.check(content, path)
}

// readContent reads r to its end into one allocation of size bytes. It never holds more than that, whatever a damaged
// or hostile file unpacks to. A wrong length is an ErrFormat.
func readContent(from io.Reader, size int64) ([]byte, error) {
	buffered := bufio.NewReaderSize(from, 64<<10)
	r := io.Reader(buffered)
	unpacks := compressed(buffered)
	if unpacks {
		unpacked, err := newUnpacker(buffered)
		if err != nil {
			return nil, fmt.Errorf("%w: it cannot be decompressed: %w", ErrFormat, err)
		}
		r = unpacked
	}
	content := make([]byte, size+1)
	inHugePages(content)
	have := 0
	for have < len(content) {
		n, err := r.Read(content[have:])
		have += n
		if err == io.EOF {
			break
		}
		if err != nil && unpacks {
			return nil, fmt.Errorf("%w: it cannot be decompressed beyond byte %d: %w", ErrFormat, have, err)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case int64(have) < size:
		return nil, fmt.Errorf("%w: it is truncated, %d of %d bytes are there", ErrFormat, have, size)
	case int64(have) > size:
		return nil, fmt.Errorf("%w: it is longer than the expected %d bytes", ErrFormat, size)
	}
	return content[:size:size], nil
}

// check compares the content with the published hash. path is where it came from.
func (f File) check(content []byte, path string) error {
	if got := hashOf(content); got != f.SHA256 {
		return &HashError{Path: path, Want: f.SHA256, Got: got}
	}
	return nil
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
