package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"ringloom/internal/float32le"
)

// Write writes tensors in their order, those of integers first: they are the widest, so that every tensor is aligned
// to its elements' size. It refuses a name that occurs twice and data that do not fill their shape: no reader would
// take such a file.
func Write(w io.Writer, meta Meta, tensors []Tensor) error {
	var ordered []Tensor
	for _, integers := range []bool{true, false} {
		for _, t := range tensors {
			if (t.Ints != nil) == integers {
				ordered = append(ordered, t)
			}
		}
	}
	header, err := encodeHeader(meta, ordered)
	if err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	block := make([]byte, 0, blockBytes)
	for _, t := range ordered {
		for part := range slices.Chunk(t.Ints, blockBytes/8) {
			block = block[:0]
			for _, v := range part {
				block = binary.LittleEndian.AppendUint64(block, uint64(v))
			}
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		if err := float32le.Write(w, t.Data); err != nil {
			return err
		}
	}
	return nil
}

// encodeHeader is the JSON header, filled up with spaces to a multiple of 8 bytes, as the format aligns the data.
func encodeHeader(meta Meta, tensors []Tensor) ([]byte, error) {
	own := map[string]string{
		keyFormat: "pt", keyModel: meta.Model, keyEpoch: strconv.Itoa(meta.Epoch), keyStep: strconv.Itoa(meta.Step),
		keyAccuracy: strconv.FormatFloat(meta.TestAccuracy, 'g', -1, 64),
	}
	for key, value := range meta.Extra {
		if _, taken := own[key]; taken {
			return nil, fmt.Errorf("%w: the metadata %q is taken already", ErrFormat, key)
		}
		own[key] = value
	}
	origin, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	var header bytes.Buffer
	fmt.Fprintf(&header, `{%q:%s`, metadataKey, origin)
	var offset int64
	named := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		if n, ok := elements(t.Shape); !ok || n != int64(t.Len()) || t.Data != nil && t.Ints != nil {
			return nil, fmt.Errorf("%w: tensor %q of shape %v has %d elements", ErrFormat, t.Name, t.Shape, t.Len())
		}
		if named[t.Name] || t.Name == metadataKey {
			return nil, fmt.Errorf("%w: the name %q is taken already", ErrFormat, t.Name)
		}
		named[t.Name] = true
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		end := offset + 4*int64(len(t.Data)) + 8*int64(len(t.Ints))
		dtype := "F32"
		if t.Ints != nil {
			dtype = "I64"
		}
		place, err := json.Marshal(entry{dtype, append([]int{}, t.Shape...), []int64{offset, end}})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&header, `,%s:%s`, name, place)
		offset = end
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	return header.Bytes(), nil
}
