package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"ringloom/internal/float32le"
)

// Write writes tensors in their order, those of integers first: they are the widest, so that every tensor is aligned
// to its elements' size. It refuses a name that occurs twice and data that do not fill their shape: no reader would
// take such a file.
//
// The header has the sums of the data, which take about as long to compute as the data to write. Where w stands at the beginning of a
// file and can patch it later, as that of report.WriteFileAtomic can, they are computed meanwhile.
func Write(w io.Writer, meta Meta, tensors []Tensor) error {
	var ordered []Tensor
	for _, integers := range []bool{true, false} {
		for _, t := range tensors {
			if (t.Ints != nil) == integers {
				ordered = append(ordered, t)
			}
		}
	}
	header, err := encodeHeader(meta, ordered, nil)
	if err != nil {
		return err
	}
	hasher := startSums(ordered)
	final := func() []byte {
		header, err := encodeHeader(meta, ordered, hasher.wait())
		if err != nil {
			panic(err) // it was encoded once already
		}
		return header
	}
	file, later := w.(interface {
		PatchLater(offset int64, fill func() []byte)
	})
	if later {
		file.PatchLater(lengthBytes, final)
	} else {
		hasher.speedUp()
		header = final()
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range ordered {
		if err := writeData(w, t); err != nil {
			return err
		}
	}
	if later {
		hasher.speedUp()
	}
	return nil
}

// writeData writes the bytes of a tensor's elements.
func writeData(w io.Writer, t Tensor) error {
	for part := range slices.Chunk(t.Ints, blockBytes/8) {
		block := make([]byte, 0, 8*len(part))
		for _, v := range part {
			block = binary.LittleEndian.AppendUint64(block, uint64(v))
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return float32le.Write(w, t.Data)
}

// encodeHeader is the JSON header, filled up with spaces to a multiple of 8 bytes, as the format aligns the data. Its length does not
// depend on the sums, which are left blank where they are nil.
func encodeHeader(meta Meta, tensors []Tensor, s sums) ([]byte, error) {
	entries, err := place(tensors)
	if err != nil {
		return nil, err
	}
	own, err := encodeMeta(meta, entries, s)
	if err != nil {
		return nil, err
	}
	var header bytes.Buffer
	fmt.Fprintf(&header, `{%q:%s`, metadataKey, own)
	for _, t := range tensors {
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		where, err := json.Marshal(entries[t.Name])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&header, `,%s:%s`, name, where)
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	return header.Bytes(), nil
}

// place says where each tensor lies.
func place(tensors []Tensor) (map[string]entry, error) {
	entries := make(map[string]entry, len(tensors))
	var offset int64
	for _, t := range tensors {
		if n, ok := elements(t.Shape); !ok || n != int64(t.Len()) || t.Data != nil && t.Ints != nil {
			return nil, fmt.Errorf("%w: tensor %q of shape %v has %d elements", ErrFormat, t.Name, t.Shape, t.Len())
		}
		if _, taken := entries[t.Name]; taken || t.Name == metadataKey {
			return nil, fmt.Errorf("%w: the name %q is taken already", ErrFormat, t.Name)
		}
		if !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("%w: the name %q is no text", ErrFormat, t.Name)
		}
		end := offset + 4*int64(len(t.Data)) + 8*int64(len(t.Ints))
		dtype := "F32"
		if t.Ints != nil {
			dtype = "I64"
		}
		entries[t.Name] = entry{dtype, append([]int{}, t.Shape...), []int64{offset, end}}
		offset = end
	}
	return entries, nil
}

// encodeMeta is the header's metadata as a JSON object.
func encodeMeta(meta Meta, entries map[string]entry, s sums) ([]byte, error) {
	own := map[string]string{
		keyFormat: "pt", keyModel: meta.Model, keyEpoch: strconv.Itoa(meta.Epoch), keyStep: strconv.Itoa(meta.Step),
		keyAccuracy: strconv.FormatFloat(meta.TestAccuracy, 'g', -1, 64), keySums: "", keyDescription: noSum,
	}
	for key, value := range meta.Extra {
		if _, taken := own[key]; taken {
			return nil, fmt.Errorf("%w: the metadata %q is taken already", ErrFormat, key)
		}
		own[key] = value
	}
	for key, value := range own {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("%w: the metadata %q is no text", ErrFormat, key)
		}
	}
	blank := s == nil
	if blank {
		s = sums{}
		for name := range entries {
			s[name] = noSum
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	own[keySums] = string(text)
	if !blank {
		if own[keyDescription], err = describe(own, entries, s); err != nil {
			return nil, err
		}
	}
	return json.Marshal(own)
}
